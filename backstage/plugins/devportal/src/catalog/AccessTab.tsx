/* The tab of an API in the catalog. */
import { Portal } from '../shown';
import { Access } from './Access';
import { useProductPath } from './useEntityProduct';

const OfEntity = () => <Access path={useProductPath()} />;

export const AccessTab = () => (
  <Portal>
    <OfEntity />
  </Portal>
);
