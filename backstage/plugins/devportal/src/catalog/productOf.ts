/* Which product does an entity show? */
import type { Entity } from '@backstage/catalog-model';
import { PRODUCT_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';
import type { Named } from '../portal';

/** The product that the entity's annotation names as `namespace/name`. */
export function productOf(entity: Entity): Named | undefined {
  const parts = entity.metadata.annotations?.[PRODUCT_ANNOTATION]?.split('/');
  return parts?.length === 2 && parts[0] && parts[1]
    ? { namespace: parts[0], name: parts[1] }
    : undefined;
}

export const isProduct = (entity: Entity): boolean =>
  entity.kind === 'API' && productOf(entity) !== undefined;
