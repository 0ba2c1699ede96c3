import { useEntity } from '@backstage/plugin-catalog-react';
import { useProduct } from '../portal';
import type { Named } from '../portal';
import { productOf } from './productOf';

/** The path of the shown entity's product. */
export function useProductPath(): Named {
  const { entity } = useEntity();
  const path = productOf(entity);
  if (!path) {
    throw new Error('only entities of products show this');
  }
  return path;
}

/** The shown entity's product. */
export const useEntityProduct = () => useProduct(useProductPath());
