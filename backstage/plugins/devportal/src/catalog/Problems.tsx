/* What is not as it should be about a product: the server says which findings are such. */
import { Alert, Flex } from '@backstage/ui';
import { useProducts } from '../portal';
import type { Named } from '../portal';
import { Quoted, useWords } from '../shown';

export function Problems({ of: { namespace, name } }: { of: Named }) {
  const t = useWords();
  // Only rows tell problems; the words narrow the list down to this one.
  const rows = useProducts({ namespace, q: name });
  const problems = rows.data?.find(
    it => it.namespace === namespace && it.name === name,
  )?.problems;
  return problems === undefined || problems.length === 0 ? null : (
    <Alert
      status="warning"
      icon
      role="status"
      title={t('catalog.problems')}
      description={
        <Flex direction="column" gap="1">
          {problems.map(({ kind, reason, message }) => (
            <Quoted key={kind} text={message || `${kind}: ${reason}`} />
          ))}
        </Flex>
      }
    />
  );
}
