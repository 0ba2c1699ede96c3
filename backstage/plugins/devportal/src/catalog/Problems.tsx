/* What is not as it should be about a product: the server says which findings are such. */
import { Alert, Flex } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { Quoted, useWords } from '../shown';
import { takesOnlyTokens } from './takesOnlyTokens';

export function Problems({ of: product }: { of: Product }) {
  const t = useWords();
  // Plans limit keys: whoever has a token misses none.
  const needsPlans = !takesOnlyTokens(product);
  const problems = product.problems.filter(
    it => needsPlans || it.kind !== 'PlanPolicyDiscovered',
  );
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
