import { Config } from '@backstage/config';

/** The addresses that only this machine reaches. */
const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/**
 * Refuses to let anybody in without a password where others could come.
 *
 * @throws where this is not a development backend on the loopback interface
 */
export function checkIsLocal(config: Config, nodeEnv?: string): void {
  if (nodeEnv !== 'development') {
    throw new Error(
      'auth.providers.demo signs people in without a password: it needs NODE_ENV=development. Take it out of the configuration, or start with that.',
    );
  }
  const host = listenHost(config);
  if (host === undefined || !LOOPBACK.includes(host)) {
    throw new Error(
      'auth.providers.demo signs people in without a password: backend.listen.host must be 127.0.0.1.',
    );
  }
}

/** `backend.listen` may be text such as `127.0.0.1:7007`, or have `host` and `port`. */
function listenHost(config: Config): string | undefined {
  const listen = config.getOptional('backend.listen');
  if (typeof listen === 'string') {
    return /^\[?(.*?)\]?:\d*$/.exec(listen)?.[1];
  }
  return config.getOptionalString('backend.listen.host');
}
