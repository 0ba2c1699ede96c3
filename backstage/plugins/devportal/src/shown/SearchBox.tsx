/* A field to search with. It waits until somebody stops typing. */
import { useEffect, useRef, useState } from 'react';
import { SearchField } from '@backstage/ui';

const PAUSE = 300;

export function SearchBox({
  label,
  value = '',
  onSearch,
}: {
  label: string;
  value?: string;
  onSearch: (text: string) => void;
}) {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  // What else was chosen since somebody typed stays.
  const newest = useRef(onSearch);
  newest.current = onSearch;
  useEffect(() => {
    // What is being typed is newer than any value.
    if (timer.current !== undefined) return;
    setText(typed => (typed.trim() === value ? typed : value));
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const search = (typed: string) => {
    setText(typed);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = undefined;
      newest.current(typed.trim());
    }, PAUSE);
  };
  return (
    <SearchField
      aria-label={label}
      placeholder={label}
      size="small"
      maxLength={100}
      value={text}
      onChange={search}
    />
  );
}
