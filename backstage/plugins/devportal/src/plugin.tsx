/* Which pages, tabs and cards are there? */
import {
  ApiBlueprint,
  coreApis,
  createFrontendPlugin,
} from '@backstage/frontend-plugin-api';
import { apiPages } from './apis/extensions';
import { catalogExtensions } from './catalog/extensions';
import { healthPages } from './health/extensions';
import { keyPages } from './keys/extensions';
import { PortalApi, portalApiRef } from './portal';
import { productPages } from './products/extensions';
import { requestPages } from './requests/extensions';
import {
  apisRouteRef,
  healthRouteRef,
  keyRouteRef,
  keysRouteRef,
  productRouteRef,
  productsRouteRef,
  requestRouteRef,
  requestsRouteRef,
} from './routes';

const portalApi = ApiBlueprint.make({
  params: define =>
    define({
      api: portalApiRef,
      deps: { fetchApi: coreApis.fetch, identityApi: coreApis.identity },
      factory: ({ fetchApi, identityApi }) =>
        new PortalApi(fetchApi, identityApi),
    }),
});

export default createFrontendPlugin({
  pluginId: 'devportal',
  routes: {
    apis: apisRouteRef,
    keys: keysRouteRef,
    key: keyRouteRef,
    requests: requestsRouteRef,
    request: requestRouteRef,
    products: productsRouteRef,
    product: productRouteRef,
    health: healthRouteRef,
  },
  extensions: [
    portalApi,
    // For whoever uses APIs.
    ...apiPages,
    ...catalogExtensions,
    ...keyPages,
    // For whoever decides and publishes.
    ...requestPages,
    ...productPages,
    ...healthPages,
  ],
});
