/* All that it takes to use an API: on its tab in the catalog, and on its own page. */
import { Flex, Grid, Text } from '@backstage/ui';
import { useProduct } from '../portal';
import type { Named } from '../portal';
import { Loaded, Section, useWords } from '../shown';
import { About } from './About';
import { Authenticate } from './Authenticate';
import { MyKeys } from './MyKeys';
import { Plans } from './Plans';
import { Problems } from './Problems';
import { RequestButton } from './RequestButton';
import { takesOnlyTokens } from './takesOnlyTokens';

export function Access({ path }: { path: Named }) {
  const t = useWords();
  const query = useProduct(path);
  return (
    <Loaded query={query} lines={8}>
      {product => (
        <Flex direction="column" gap="5">
          <Problems of={product} />
          {takesOnlyTokens(product) ? (
            <Section title={t('catalog.title')}>
              <Text>{t('catalog.byToken')}</Text>
            </Section>
          ) : (
            <>
              <Section
                title={t('catalog.plans')}
                action={<RequestButton product={product} />}
              >
                <Plans of={product.plans} />
              </Section>
              <Section title={t('catalog.keys')}>
                <MyKeys to={path} />
              </Section>
            </>
          )}
          <Grid.Root
            columns={{ initial: '1', md: '2' }}
            gap="5"
            style={{ alignItems: 'start' }}
          >
            <Section title={t('catalog.authenticate')}>
              <Authenticate of={product} />
            </Section>
            <Section title={t('catalog.about.title')}>
              <About of={product} />
            </Section>
          </Grid.Root>
        </Flex>
      )}
    </Loaded>
  );
}
