/* The rows of a list: a table where there is room, and cards where there is none. */
import type { ReactNode } from 'react';
import css from './Sheet.module.css';

export type Column<T> = {
  id: string;
  label: string;
  width?: string;
  /** What the row is about: the head of its card. */
  isMain?: boolean;
  /** Whether a row has it; absent: all have. A column that no row has is not shown. */
  isOf?: (row: T) => boolean;
  cell: (row: T) => ReactNode;
};

export function Sheet<T>({
  label,
  columns,
  rows,
  idOf,
}: {
  /** What the list is, for those who hear it. */
  label: string;
  columns: Column<T>[];
  rows: T[];
  idOf: (row: T) => string;
}) {
  const isOf = (column: Column<T>, row: T) => column.isOf?.(row) ?? true;
  const shown = columns.filter(it => rows.some(row => isOf(it, row)));
  // The roles are said, because a table that is laid out as cards loses its own.
  return (
    <table className={css.sheet} role="table">
      <caption>{label}</caption>
      <thead>
        <tr role="row">
          {shown.map(it => (
            <th
              key={it.id}
              role="columnheader"
              scope="col"
              style={{ width: it.width }}
            >
              {it.label}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(row => (
          <tr key={idOf(row)} role="row">
            {shown.map(it => (
              <td
                key={it.id}
                role={it.isMain ? 'rowheader' : 'cell'}
                className={it.isMain ? css.main : undefined}
              >
                {!it.isMain && isOf(it, row) && (
                  <span className={css.label} aria-hidden="true">
                    {it.label}
                  </span>
                )}
                {isOf(it, row) && <div>{it.cell(row)}</div>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
