/* What somebody else has written meanwhile, next to what was typed. */
import { Alert, Flex, Text } from '@backstage/ui';
import { Facts, useWords } from '../shown';
import type { Fact } from '../shown';
import { FIELDS } from './draft';
import type { Draft } from './draft';
import css from './products.module.css';

export function Conflict({
  before,
  now,
  yours,
}: {
  before: Draft;
  now: Draft;
  yours: Draft;
}) {
  const t = useWords();
  const shown = (value: string) => (
    <bdi className={css.lines}>{value || t('products.conflict.empty')}</bdi>
  );
  const facts = FIELDS.filter(it => before[it] !== now[it]).map(
    (field): Fact => [
      t(`products.form.${field === 'ownerName' ? 'owner' : field}`),
      <Flex key={field} direction="column" gap="0">
        <Text>
          {t('products.conflict.there', { value: shown(now[field]) })}
        </Text>
        {yours[field] !== now[field] && (
          <Text>
            {t('products.conflict.yours', { value: shown(yours[field]) })}
          </Text>
        )}
      </Flex>,
    ],
  );
  return (
    <Alert
      status="warning"
      icon
      role="alert"
      title={t('products.conflict.title')}
      description={
        <Flex direction="column" gap="3">
          <Text>{t('products.conflict.text')}</Text>
          <Facts facts={facts} />
          <Text>{t('products.conflict.again')}</Text>
        </Flex>
      }
    />
  );
}
