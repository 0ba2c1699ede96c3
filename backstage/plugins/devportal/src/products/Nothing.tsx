/* Something that was not found, and what to do about it. */
import { Text } from '@backstage/ui';

export function Nothing({ what, next }: { what: string; next: string }) {
  return (
    <>
      <Text as="p">{what}</Text>
      <Text as="p" color="secondary">
        {next}
      </Text>
    </>
  );
}
