/*
 * One API, on a page that is there as soon as the API is: the catalog shows it some seconds
 * later.
 */
import { useRouteRefParams } from '@backstage/frontend-plugin-api';
import { ButtonLink, Flex, Text } from '@backstage/ui';
import { Access } from '../catalog/Access';
import { useEntityPage } from '../catalog/useEntityPage';
import { useProduct } from '../portal';
import type { Named } from '../portal';
import { Back, Name, Page, useLinks, useWords } from '../shown';
import { apiRouteRef } from '../routes';

export function ApiPage() {
  const path = useRouteRefParams(apiRouteRef);
  return (
    <Page>
      <Api key={`${path.namespace}/${path.name}`} path={path} />
    </Page>
  );
}

function Api({ path }: { path: Named }) {
  const t = useWords();
  const links = useLinks();
  const { data: product } = useProduct(path);
  const entity = useEntityPage(
    path,
    product?.spec.publishStatus === 'Published',
  );
  return (
    <Flex direction="column" gap="5">
      <Back href={links.apis()}>{t('apis.back')}</Back>
      <Flex
        justify="between"
        align="center"
        gap="3"
        style={{ flexWrap: 'wrap' }}
      >
        <Text as="h2" variant="title-medium" weight="bold">
          <Name>{product?.spec.displayName ?? path.name}</Name>
        </Text>
        {entity && (
          <ButtonLink variant="secondary" href={entity}>
            {t('apis.entity')}
          </ButtonLink>
        )}
      </Flex>
      <Access path={path} />
    </Flex>
  );
}
