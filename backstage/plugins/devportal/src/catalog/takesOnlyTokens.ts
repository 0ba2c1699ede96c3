/* Is a token of an issuer all that an API takes? Then there is no key to ask for. */
import type { Product } from '@devportal/backstage-plugin-devportal-common';

/** Not where nothing is known: somebody may be about to attach a policy. */
export function takesOnlyTokens({ authScheme }: Product): boolean {
  const rules = Object.values(authScheme?.authentication ?? {});
  return rules.length > 0 && rules.every(it => it.jwt && !it.apiKey);
}
