import {
  coreServices,
  createBackendModule,
} from '@backstage/backend-plugin-api';
import { catalogProcessingExtensionPoint } from '@backstage/plugin-catalog-node';
import {
  isProductFor,
  PortalServer,
} from '@devportal/backstage-plugin-devportal-node';
import { Products } from './products';
import { ProductProvider, TASK_MS } from './provider';

/** Brings the portal's published products into the catalog, and who sees which. */
export const catalogModuleDevportal = createBackendModule({
  pluginId: 'catalog',
  moduleId: 'devportal',
  register(env) {
    env.registerInit({
      deps: {
        catalog: catalogProcessingExtensionPoint,
        config: coreServices.rootConfig,
        logger: coreServices.logger,
        permissionsRegistry: coreServices.permissionsRegistry,
        scheduler: coreServices.scheduler,
      },
      async init({ catalog, config, logger, permissionsRegistry, scheduler }) {
        permissionsRegistry.addPermissionRules([isProductFor]);
        const user =
          config.getOptionalString('devportal.catalog.user') ??
          'backstage:catalog';
        const products = new Products(PortalServer.fromConfig(config), user);
        const provider: ProductProvider = new ProductProvider(
          products,
          logger,
          () =>
            scheduler.scheduleTask({
              id: 'devportal-products',
              // One replica follows the portal, as long as the task lives. Another takes over
              // within `frequency` where it ends. Where it was killed, nobody follows, not even
              // a restarted one, until `timeout` and up to a minute more have gone by. Whoever
              // begins lists everything: what was missed, as between two replicas of the
              // portal's server, is made good after `timeout` at the latest.
              scope: 'global',
              frequency: { seconds: 5 },
              timeout: { milliseconds: TASK_MS },
              fn: signal => provider.run(signal),
            }),
        );
        catalog.addEntityProvider(provider);
      },
    });
  },
});
