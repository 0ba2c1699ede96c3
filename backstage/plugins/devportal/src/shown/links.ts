/* Where do the pages lie? An operator may move them. */
import { useRouteRef } from '@backstage/frontend-plugin-api';
import type { Named } from '../portal';
import {
  apiRouteRef,
  apisRouteRef,
  editRouteRef,
  productRouteRef,
  productsRouteRef,
  publishRouteRef,
  requestRouteRef,
  requestsRouteRef,
} from '../routes';

const withSearch = (
  path: string | undefined,
  search: Record<string, string>,
) => {
  const query = new URLSearchParams(search).toString();
  return path && query ? `${path}?${query}` : path;
};

const params = ({ namespace, name }: Named) => ({ namespace, name });

/** Addresses; undefined where a page is switched off. */
export function useLinks() {
  const apis = useRouteRef(apisRouteRef);
  const api = useRouteRef(apiRouteRef);
  const products = useRouteRef(productsRouteRef);
  const product = useRouteRef(productRouteRef);
  const edit = useRouteRef(editRouteRef);
  const publish = useRouteRef(publishRouteRef);
  const requests = useRouteRef(requestsRouteRef);
  const request = useRouteRef(requestRouteRef);
  return {
    apis: () => apis?.(),
    api: (of: Named) => api?.(params(of)),
    products: (search: Record<string, string> = {}) =>
      withSearch(products?.(), search),
    product: (of: Named) => product?.(params(of)),
    edit: (of: Named) => edit?.(params(of)),
    publish: (search: Record<string, string> = {}) =>
      withSearch(publish?.(), search),
    requests: (search: Record<string, string> = {}) =>
      withSearch(requests?.(), search),
    request: (of: Named) => request?.(params(of)),
  };
}

/** One object in a search: `namespace/name`. */
export const pathOf = ({ namespace, name }: Named) => `${namespace}/${name}`;
