/* What narrows a list down: words, and whatever else; in a row where there is room. */
import { Children } from 'react';
import type { ReactNode } from 'react';
import { Flex } from '@backstage/ui';
import { SearchBox } from './SearchBox';

export const Filters = ({
  label,
  words,
  onSearch,
  children,
}: {
  /** What the words are looked for in. */
  label: string;
  words: string | undefined;
  onSearch: (words: string | undefined) => void;
  children?: ReactNode;
}) => (
  <Flex gap="3" direction={{ initial: 'column', sm: 'row' }}>
    <div style={{ flex: 2 }}>
      <SearchBox label={label} value={words} onSearch={onSearch} />
    </div>
    {Children.map(children, it => (
      <div style={{ flex: 1 }}>{it}</div>
    ))}
  </Flex>
);
