import { readFile, stat } from 'node:fs/promises';
import { Config } from '@backstage/config';

/** Gives the token that Backstage shows to the portal's server. */
export type TokenSource = () => Promise<string>;

/**
 * Reads `tokenFile` or `token` of the configuration given.
 *
 * A file is looked at for every request and read again when it has changed: Kubernetes
 * replaces the tokens of ServiceAccounts about every hour.
 */
export function tokenSource(config: Config): TokenSource {
  const token = config.getOptionalString('token');
  const file = config.getOptionalString('tokenFile');
  if ((token === undefined) === (file === undefined)) {
    throw new Error(
      'devportal.server needs either tokenFile or token, and not both',
    );
  }
  if (file === undefined) {
    return async () => token ?? '';
  }
  let known = { changed: -1, token: '' };
  return async () => {
    const { mtimeMs: changed } = await stat(file);
    if (changed !== known.changed) {
      known = { changed, token: (await readFile(file, 'utf8')).trim() };
    }
    return known.token;
  };
}
