/* What others wrote: shown as it stands, never as markup. */
import type { CSSProperties } from 'react';
import { Text } from '@backstage/ui';

/** Lines as they were written, all of them or as many as a row has room for. */
export function Quoted({
  text,
  lines,
  color,
}: {
  text: string;
  lines?: number;
  color?: 'primary' | 'secondary';
}) {
  const style: CSSProperties = {
    whiteSpace: 'pre-wrap',
    overflowWrap: 'anywhere',
    ...(lines && {
      display: '-webkit-box',
      WebkitLineClamp: lines,
      WebkitBoxOrient: 'vertical',
      overflow: 'hidden',
    }),
  };
  return (
    <Text as="p" dir="auto" color={color} style={{ margin: 0, ...style }}>
      {text}
    </Text>
  );
}

/** A name inside a line: it cannot turn the line around. */
export const Name = ({ children }: { children: string }) => (
  <bdi style={{ overflowWrap: 'anywhere' }}>{children}</bdi>
);
