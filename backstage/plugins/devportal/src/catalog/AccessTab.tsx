/* The tab of an API: all that it takes to use it. */
import { Flex, Grid } from '@backstage/ui';
import { Loaded, Portal, Section, useWords } from '../shown';
import { About } from './About';
import { Authenticate } from './Authenticate';
import { MyKeys } from './MyKeys';
import { Plans } from './Plans';
import { Problems } from './Problems';
import { RequestButton } from './RequestButton';
import { useEntityProduct, useProductPath } from './useEntityProduct';

export const AccessTab = () => (
  <Portal>
    <Access />
  </Portal>
);

function Access() {
  const t = useWords();
  const query = useEntityProduct();
  const path = useProductPath();
  return (
    <Loaded query={query} lines={8}>
      {product => (
        <Flex direction="column" gap="5">
          <Problems of={product} />
          <Section
            title={t('catalog.plans')}
            action={<RequestButton product={product} />}
          >
            <Plans of={product.plans} />
          </Section>
          <Section title={t('catalog.keys')}>
            <MyKeys to={path} />
          </Section>
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
