import {
  coreServices,
  createBackendModule,
} from '@backstage/backend-plugin-api';
import {
  authProvidersExtensionPoint,
  createProxyAuthProviderFactory,
} from '@backstage/plugin-auth-node';
import { DemoResult, demoAuthenticator } from './authenticator';
import { checkIsLocal } from './guard';

/**
 * Sign-in as one of the people of the demo. It does nothing unless `auth.providers.demo` is
 * configured, and then keeps the backend from starting where others could reach it.
 */
export const demoAuthModule = createBackendModule({
  pluginId: 'auth',
  moduleId: 'demo',
  register(env) {
    env.registerInit({
      deps: {
        config: coreServices.rootConfig,
        providers: authProvidersExtensionPoint,
      },
      async init({ config, providers }) {
        if (!config.has('auth.providers.demo')) return;
        checkIsLocal(config, process.env.NODE_ENV);
        const { host } = new URL(config.getString('backend.baseUrl'));
        providers.registerProvider({
          providerId: 'demo',
          factory: createProxyAuthProviderFactory<DemoResult>({
            authenticator: demoAuthenticator(host),
            // Groups come from the catalog, as they would with any other sign-in.
            signInResolver: ({ result }, context) =>
              context.signInWithCatalogUser({ entityRef: result.ref }),
          }),
        });
      },
    });
  },
});
