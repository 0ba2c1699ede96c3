/* What is not as it should be about a product: the server says which findings are such. */
import { Alert, Flex } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { Quoted, useWords } from '../shown';

export function Problems({ of: { problems } }: { of: Product }) {
  const t = useWords();
  return problems.length === 0 ? null : (
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
