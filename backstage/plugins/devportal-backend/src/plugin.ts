import {
  coreServices,
  createBackendPlugin,
} from '@backstage/backend-plugin-api';
import { catalogServiceRef } from '@backstage/plugin-catalog-node';
import { devportalPermissions } from '@devportal/backstage-plugin-devportal-common';
import { PortalServer } from '@devportal/backstage-plugin-devportal-node';
import { Forwarder } from './forward';
import { Identity } from './identity';
import { createRouter } from './router';

/** Passes what people ask for to the portal's server, in their name. */
export const devportalPlugin = createBackendPlugin({
  pluginId: 'devportal',
  register(env) {
    env.registerInit({
      deps: {
        auth: coreServices.auth,
        catalog: catalogServiceRef,
        config: coreServices.rootConfig,
        httpAuth: coreServices.httpAuth,
        httpRouter: coreServices.httpRouter,
        lifecycle: coreServices.lifecycle,
        logger: coreServices.logger,
        permissions: coreServices.permissions,
        permissionsRegistry: coreServices.permissionsRegistry,
        userInfo: coreServices.userInfo,
      },
      async init(deps) {
        const { config, httpAuth, lifecycle, logger, permissions } = deps;
        const stops = new AbortController();
        lifecycle.addShutdownHook(() => stops.abort());
        const server = PortalServer.fromConfig(config);
        deps.permissionsRegistry.addPermissions(devportalPermissions);
        deps.httpRouter.use(
          createRouter({
            forwarder: new Forwarder(server, logger, stops.signal),
            httpAuth,
            identity: Identity.fromConfig(config, deps),
            permissions,
          }),
        );
      },
    });
  },
});
