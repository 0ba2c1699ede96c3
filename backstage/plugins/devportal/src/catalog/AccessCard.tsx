/* On the overview of an API: its plans, and the way to a key. */
import { ButtonLink, Flex, Text } from '@backstage/ui';
import { useRouteRef } from '@backstage/frontend-plugin-api';
import { Loaded, Portal, Section, useWords } from '../shown';
import { accessRouteRef } from '../routes';
import { Plans } from './Plans';
import { Problems } from './Problems';
import { RequestButton } from './RequestButton';
import { takesOnlyTokens } from './takesOnlyTokens';
import { useEntityProduct } from './useEntityProduct';

export const AccessCard = () => (
  <Portal>
    <Access />
  </Portal>
);

function Access() {
  const t = useWords();
  const query = useEntityProduct();
  const link = useRouteRef(accessRouteRef);
  return (
    <Section title={t('catalog.title')}>
      <Loaded query={query}>
        {product => (
          <Flex direction="column" gap="4">
            <Problems of={product} />
            {takesOnlyTokens(product) ? (
              <Text>{t('catalog.byToken')}</Text>
            ) : (
              <Plans of={product.plans} />
            )}
            <Flex gap="3" style={{ flexWrap: 'wrap' }}>
              {!takesOnlyTokens(product) && <RequestButton product={product} />}
              {link && (
                <ButtonLink variant="secondary" href={link()}>
                  {t('catalog.allAccess')}
                </ButtonLink>
              )}
            </Flex>
          </Flex>
        )}
      </Loaded>
    </Section>
  );
}
