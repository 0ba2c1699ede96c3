/* One product: what it is, how it stands, and what may be done with it. */
import { useRouteRefParams } from '@backstage/frontend-plugin-api';
import { Alert, Flex, Grid, Text } from '@backstage/ui';
import type {
  Finding,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { useProduct } from '../portal';
import type { Named } from '../portal';
import {
  Back,
  Loaded,
  Name,
  Page,
  Quoted,
  Section,
  State,
  When,
  pathOf,
  useLinks,
  useWords,
} from '../shown';
import { productRouteRef } from '../routes';
import { Actions } from './Actions';
import { Authentication } from './Authentication';
import { Nothing } from './Nothing';
import { KeyCounts } from './KeyCounts';
import { Overview } from './Overview';
import { Plans } from './Plans';

export function ProductPage() {
  const path = useRouteRefParams(productRouteRef);
  return (
    <Page>
      <OneProduct key={pathOf(path)} path={path} />
    </Page>
  );
}

function OneProduct({ path }: { path: Named }) {
  const t = useWords();
  const links = useLinks();
  const query = useProduct(path);
  return (
    <Flex direction="column" gap="5">
      <Back href={links.products()}>{t('products.back')}</Back>
      <Loaded query={query} lines={8}>
        {product => (
          <Flex direction="column" gap="5">
            <Flex
              justify="between"
              align="start"
              gap="4"
              style={{ flexWrap: 'wrap' }}
            >
              <div>
                <Flex align="center" gap="3" style={{ flexWrap: 'wrap' }}>
                  <Text as="h2" variant="title-medium" weight="bold">
                    <Name>{product.spec.displayName}</Name>
                  </Text>
                  <State of={product.spec.publishStatus} />
                </Flex>
                <Text as="p" color="secondary">
                  {pathOf(product)}
                </Text>
              </div>
              <Actions product={product} />
            </Flex>
            <Problems of={product.problems} />
            <Body product={product} />
          </Flex>
        )}
      </Loaded>
    </Flex>
  );
}

function Body({ product }: { product: Product }) {
  const t = useWords();
  return (
    <Grid.Root columns={{ initial: '1', md: '12' }} gap="5">
      <Grid.Item colSpan={{ initial: '1', md: '7' }}>
        <Flex direction="column" gap="5">
          <Overview product={product} />
          <Section title={t('products.detail.plans')}>
            {product.plans.length > 0 ? (
              <Plans plans={product.plans} />
            ) : (
              <Nothing
                what={t('products.detail.noPlans')}
                next={t('products.detail.noPlansNext')}
              />
            )}
          </Section>
        </Flex>
      </Grid.Item>
      <Grid.Item colSpan={{ initial: '1', md: '5' }}>
        <Flex direction="column" gap="5">
          <KeyCounts product={product} />
          <Section title={t('products.detail.auth')}>
            <Authentication product={product} />
          </Section>
          <Section title={t('products.detail.hostnames')}>
            {product.hostnames.length === 0 ? (
              <Text color="secondary">{t('products.detail.noHostnames')}</Text>
            ) : (
              product.hostnames.map(it => (
                <Text key={it} as="p" style={{ overflowWrap: 'anywhere' }}>
                  {it}
                </Text>
              ))
            )}
          </Section>
        </Flex>
      </Grid.Item>
    </Grid.Root>
  );
}

/** What the server takes for a problem: not every condition that does not hold is one. */
function Problems({ of: problems }: { of: Finding[] }) {
  const t = useWords();
  return (
    <>
      {problems.map(it => (
        <Alert
          key={it.kind}
          status="warning"
          icon
          title={`${it.kind}: ${it.reason}`}
          description={
            <Flex direction="column" gap="1">
              <Quoted text={it.message} />
              {it.about && <Text>{it.about}</Text>}
              <Text variant="body-small" color="secondary">
                {t('products.detail.since', {
                  when: <When at={it.since} />,
                })}
              </Text>
            </Flex>
          }
        />
      ))}
    </>
  );
}
