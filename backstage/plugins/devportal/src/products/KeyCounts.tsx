/* How many ask for a product and have it, and where to see who. */
import { Flex, Link, Text } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import {
  Facts,
  Section,
  pathOf,
  useLanguage,
  useLinks,
  useWords,
} from '../shown';
import type { Fact } from '../shown';

const STATES = [
  ['pending', 'Pending'],
  ['approved', 'Approved'],
  ['denied', 'Denied'],
  ['expired', 'Expired'],
  ['failed', 'Failed'],
] as const;

export function KeyCounts({ product }: { product: Product }) {
  const t = useWords();
  const language = useLanguage();
  const links = useLinks();
  const { keys } = product;
  const facts = STATES.map(([count, state]): Fact => {
    const number = keys?.[count] ?? 0;
    const href = links.requests({ product: pathOf(product), state });
    const name = count === 'approved' ? 'active' : count;
    return [
      t(`products.detail.${name}`),
      number > 0 && href ? (
        <Link href={href}>{number.toLocaleString(language)}</Link>
      ) : (
        number.toLocaleString(language)
      ),
    ];
  });
  return (
    <Section title={t('products.detail.keys')}>
      {keys ? (
        <Flex direction="column" gap="3">
          <Facts facts={facts} />
          {keys.approved > 0 && (
            <Text variant="body-small" color="secondary">
              {t('products.detail.revokeHint')}
            </Text>
          )}
        </Flex>
      ) : (
        <Text color="secondary">{t('products.detail.keysNotTold')}</Text>
      )}
    </Section>
  );
}
