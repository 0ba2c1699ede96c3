/* Where are the pages? Their paths can be changed in app-config.yaml. */
import { createRouteRef } from '@backstage/frontend-plugin-api';

export const apisRouteRef = createRouteRef();
/** The tab of an API in the catalog. */
export const accessRouteRef = createRouteRef();
export const apiRouteRef = createRouteRef({ params: ['namespace', 'name'] });
export const keysRouteRef = createRouteRef();
export const keyRouteRef = createRouteRef({ params: ['namespace', 'name'] });
export const requestsRouteRef = createRouteRef();
export const requestRouteRef = createRouteRef({
  params: ['namespace', 'name'],
});
export const productsRouteRef = createRouteRef();
export const productRouteRef = createRouteRef({
  params: ['namespace', 'name'],
});
export const healthRouteRef = createRouteRef();
export const publishRouteRef = createRouteRef();
export const editRouteRef = createRouteRef({ params: ['namespace', 'name'] });
export const consistencyRouteRef = createRouteRef();
