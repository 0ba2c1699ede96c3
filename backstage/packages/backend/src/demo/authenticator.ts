import {
  parseEntityRef,
  stringifyEntityRef,
  UserEntity,
} from '@backstage/catalog-model';
import { Config } from '@backstage/config';
import { NotAllowedError } from '@backstage/errors';
import { createProxyAuthenticator } from '@backstage/plugin-auth-node';

/**
 * Says who somebody wants to be. A page of another site cannot send it without asking first,
 * which the backend does not grant.
 */
export const DEMO_USER_HEADER = 'x-devportal-demo-user';

/** Who is signed in. */
export interface DemoResult {
  ref: string;
}

/**
 * Believes the header, for the people that are configured.
 *
 * @param host - what the `Host` header must be. Another one means that some site's name was
 * made to lead here (DNS rebinding), so that its pages may speak to this backend.
 */
export function demoAuthenticator(host: string) {
  return createProxyAuthenticator({
    async defaultProfileTransform({ ref }: DemoResult, context) {
      const { entity } = await context.findCatalogUser({ entityRef: ref });
      const { profile } = (entity as UserEntity).spec;
      return { profile: profile ?? {} };
    },
    initialize: ({ config }) => ({ refs: readRefs(config) }),
    async authenticate({ req }, { refs }) {
      if (req.headers.host !== host) {
        throw new NotAllowedError(
          `Sign-in for the demo is offered at ${host} only.`,
        );
      }
      const ref = req.header(DEMO_USER_HEADER) ?? '';
      if (!refs.includes(ref)) {
        throw new NotAllowedError(
          `Sign-in for the demo takes the header ${DEMO_USER_HEADER} with one of ${refs.join(
            ', ',
          )}.`,
        );
      }
      const result: DemoResult = { ref };
      return { result };
    },
  });
}

function readRefs(config: Config): string[] {
  return config
    .getConfigArray('users')
    .map(user => stringifyEntityRef(parseEntityRef(user.getString('ref'))));
}
