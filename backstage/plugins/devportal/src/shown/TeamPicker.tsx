/* Narrows a list down to one team, which is a namespace. */
import { Select } from '@backstage/ui';
import { useMe, useTeams } from '../portal';

/** No namespace is called so. */
const ALL = '*';

export function TeamPicker({
  label,
  all,
  isOfPublished = false,
  value,
  onChange,
}: {
  label: string;
  /** What no choice is called. */
  all: string;
  /** Only teams that have published; otherwise also those with drafts, and one's own. */
  isOfPublished?: boolean;
  value?: string;
  onChange: (team: string | undefined) => void;
}) {
  const me = useMe();
  const { data: teams = [] } = useTeams(
    isOfPublished ? 'Published' : undefined,
  );
  const own = isOfPublished ? [] : me.data?.publishIn ?? [];
  const chosen = value ? [value] : [];
  const names = [...new Set([...teams, ...own, ...chosen])].sort();
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
