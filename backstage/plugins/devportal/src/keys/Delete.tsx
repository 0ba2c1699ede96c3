/* Asks before a key is deleted. */
import { Text } from '@backstage/ui';
import type { Key } from '@devportal/backstage-plugin-devportal-common';
import { dataOf, useWrite } from '../portal';
import { Question, useWords } from '../shown';

export function Delete({
  of: { namespace, name, product },
  onDeleted,
  onClose,
}: {
  of: Key;
  onDeleted: () => void;
  onClose: () => void;
}) {
  const t = useWords();
  // The key's own page goes first: it would ask for what is no longer there.
  const write = useWrite((client, path: { namespace: string; name: string }) =>
    dataOf(client.DELETE('/v1/keys/{namespace}/{name}', { params: { path } })),
  );
  return (
    <Question
      title={t('keys.delete.title')}
      action={t('keys.delete.action')}
      isDestructive
      isPending={write.isPending}
      error={write.error}
      onConfirm={() =>
        write.mutate({ namespace, name }, { onSuccess: onDeleted })
      }
      onClose={onClose}
    >
      <Text>
        {t('keys.delete.about', { product: <bdi>{product.name}</bdi> })}
      </Text>
    </Question>
  );
}
