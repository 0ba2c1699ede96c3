/* Narrows a list down to one team, which is a namespace. */
import { Select } from '@backstage/ui';

const ALL = 'all';

export function TeamPicker({
  label,
  all,
  teams,
  value,
  onChange,
}: {
  label: string;
  all: string;
  teams: string[];
  value?: string;
  onChange: (team: string | undefined) => void;
}) {
  const names = [...new Set(value ? [...teams, value] : teams)].sort();
  return (
    <Select
      aria-label={label}
      size="small"
      options={[
        { value: ALL, label: all },
        ...names.map(it => ({ value: it, label: it })),
      ]}
      value={value ?? ALL}
      onChange={it => onChange(it === ALL || it === null ? undefined : `${it}`)}
    />
  );
}
