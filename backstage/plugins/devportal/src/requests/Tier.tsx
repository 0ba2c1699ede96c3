/* A plan, and what it allows. Each product is asked for once for all of its requests. */
import { Text } from '@backstage/ui';
import { useProduct } from '../portal';
import type { Named } from '../portal';
import { Name, limitsInWords, useLanguage, useWords } from '../shown';

/** The plan in force, where it is not the one that is asked for. */
export function ApprovedTier({ tier }: { tier: string }) {
  const t = useWords();
  return (
    <Text as="div" variant="body-small" color="secondary">
      {t('requests.approvedTier', { tier: <bdi>{tier}</bdi> })}
    </Text>
  );
}

export function Tier({ product, tier }: { product: Named; tier: string }) {
  const t = useWords();
  const language = useLanguage();
  const { data } = useProduct(product);
  const plan = data?.plans.find(it => it.tier === tier);
  return (
    <Text as="div" variant="body-small" color="secondary">
      <Name>{tier}</Name>
      {plan && `: ${limitsInWords(plan.limits, t, language)}`}
    </Text>
  );
}
