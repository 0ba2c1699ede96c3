/* Narrows a list down to one product. Only those that match what is typed are fetched. */
import { useState } from 'react';
import { Select } from '@backstage/ui';
import { useProducts } from '../portal';
import { pathOf } from './links';

const ALL = 'all';

export function ProductPicker({
  label,
  all,
  value,
  onChange,
}: {
  label: string;
  /** What no choice is called. */
  all: string;
  /** `namespace/name` */
  value?: string;
  onChange: (product: string | undefined) => void;
}) {
  const [typed, setTyped] = useState('');
  const { data = [] } = useProducts(typed ? { q: typed } : {});
  const options = data.map(it => ({
    value: pathOf(it),
    label: `${it.displayName} · ${it.namespace}`,
  }));
  if (value && !options.some(it => it.value === value)) {
    options.unshift({ value, label: value });
  }
  return (
    <Select
      aria-label={label}
      size="small"
      options={[{ value: ALL, label: all }, ...options]}
      search={{ mode: 'server', inputValue: typed, onInputChange: setTyped }}
      value={value ?? ALL}
      onChange={it => onChange(it === ALL || it === null ? undefined : `${it}`)}
    />
  );
}
