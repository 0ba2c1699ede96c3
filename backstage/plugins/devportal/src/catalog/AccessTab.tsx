/* The tab of an API in the catalog. */
import { Portal, pathOf } from '../shown';
import { Access } from './Access';
import { useProductPath } from './useEntityProduct';

function OfEntity() {
  const path = useProductPath();
  return <Access key={pathOf(path)} path={path} />;
}

export const AccessTab = () => (
  <Portal>
    <OfEntity />
  </Portal>
);
