/* The keys to one API that somebody may see. */
import { useKeys } from '../portal';
import type { Named } from '../portal';
import { Empty, LoadedRows, pathOf, useWords } from '../shown';
import { KeySheet } from '../keys/KeySheet';

export function MyKeys({ to }: { to: Named }) {
  const t = useWords();
  const rows = useKeys({ product: pathOf(to) });
  return (
    <LoadedRows
      rows={rows}
      empty={
        <Empty title={t('catalog.keysEmpty')}>
          {t('catalog.keysEmptyNext')}
        </Empty>
      }
    >
      {found => <KeySheet rows={found} ofOne />}
    </LoadedRows>
  );
}
