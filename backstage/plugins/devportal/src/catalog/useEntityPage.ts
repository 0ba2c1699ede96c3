/* Where does the catalog show a product? */
import { useApiHolder, useRouteRef } from '@backstage/frontend-plugin-api';
import { catalogApiRef, entityRouteRef } from '@backstage/plugin-catalog-react';
import { useQuery } from '@tanstack/react-query';
import { PRODUCT_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';
import type { Named } from '../portal';
import { pathOf } from '../shown';

/** What the catalog lets a name have: longer ones are called otherwise there. */
const LONGEST = 63;

/** The page of a product; undefined while it is not known, and where there is none. */
export function useEntityPage(
  product: Named,
  {
    isPublished = false,
  }: {
    /** Whether the catalog has it for sure: then it is not asked. */
    isPublished?: boolean;
  } = {},
): string | undefined {
  const catalog = useApiHolder().get(catalogApiRef);
  const page = useRouteRef(entityRouteRef);
  const isKnown = isPublished && product.name.length <= LONGEST;
  const { data } = useQuery({
    queryKey: ['catalog', pathOf(product)],
    enabled: catalog !== undefined && !isKnown,
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
  });
  const entity = isKnown ? product : data;
  return entity
    ? page?.({ kind: 'api', namespace: entity.namespace, name: entity.name })
    : undefined;
}

/** The tab on which access to a product is asked for. */
export const useAccessPage = (product: Named): string | undefined => {
  const page = useEntityPage(product, { isPublished: true });
  return page && `${page}/access`;
};
