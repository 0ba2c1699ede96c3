/* Where does the catalog show a product? */
import { useApiHolder, useRouteRef } from '@backstage/frontend-plugin-api';
import { catalogApiRef, entityRouteRef } from '@backstage/plugin-catalog-react';
import { useQuery } from '@tanstack/react-query';
import { PRODUCT_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';
import type { Named } from '../portal';
import { pathOf } from '../shown';

/** So many times, also in vain. */
const ASKED_AT_MOST = 10;

/** The page of a product; undefined while it is not known, and where there is none. */
export function useEntityPage(
  product: Named,
  isPublished: boolean,
): string | undefined {
  const catalog = useApiHolder().get(catalogApiRef);
  const page = useRouteRef(entityRouteRef);
  const { data } = useQuery({
    queryKey: ['catalog', pathOf(product), isPublished],
    enabled: isPublished && catalog !== undefined,
    // Each visit, and each publication, begins anew.
    gcTime: 0,
    queryFn: async () => {
      const found = await catalog?.getEntities({
        filter: {
          kind: 'API',
          [`metadata.annotations.${PRODUCT_ANNOTATION}`]: pathOf(product),
        },
        fields: ['kind', 'metadata.namespace', 'metadata.name'],
        limit: 1,
      });
      const metadata = found?.items[0]?.metadata;
      return metadata
        ? { namespace: metadata.namespace ?? 'default', name: metadata.name }
        : null;
    },
    // The catalog has it some seconds after it was published.
    refetchInterval: ({ state }) =>
      state.data ||
      state.dataUpdateCount + state.errorUpdateCount >= ASKED_AT_MOST
        ? false
        : 2_000,
  });
  return data
    ? page?.({ kind: 'api', namespace: data.namespace, name: data.name })
    : undefined;
}
