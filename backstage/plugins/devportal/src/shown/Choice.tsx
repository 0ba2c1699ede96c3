/* One of a few, all of them in sight: how a list is narrowed down by state. */
import { ToggleButton, ToggleButtonGroup } from '@backstage/ui';
import css from './Choice.module.css';

export function Choice<Id extends string>({
  label,
  options,
  value,
  onChange,
}: {
  label: string;
  options: { id: Id; label: string }[];
  value: Id;
  onChange: (id: Id) => void;
}) {
  return (
    <ToggleButtonGroup
      aria-label={label}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[value]}
      className={css.choice}
      onSelectionChange={keys => {
        const chosen = options.find(it => keys.has(it.id));
        if (chosen) onChange(chosen.id);
      }}
    >
      {options.map(it => (
        <ToggleButton key={it.id} id={it.id} className={css.option}>
          {it.label}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
