/* What may be done with a product: as far as the server says so. */
import { useState } from 'react';
import { Button, ButtonLink, Flex, Text } from '@backstage/ui';
import type {
  Product,
  PublishStatus,
} from '@devportal/backstage-plugin-devportal-common';
import { useEntityPage } from '../catalog/useEntityPage';
import { dataOf, useWrite } from '../portal';
import { Problem, Question, pathOf, useLinks, useWords } from '../shown';
import { DeleteProduct } from './DeleteProduct';

/** Publishes a product, or takes it back. */
function usePublish({ namespace, name }: Product) {
  return useWrite(
    (client, publishStatus: PublishStatus) =>
      dataOf(
        client.PATCH('/v1/products/{namespace}/{name}', {
          params: { path: { namespace, name } },
          body: { spec: { publishStatus } },
        }),
      ),
    'products',
  );
}

export function Actions({ product }: { product: Product }) {
  const t = useWords();
  const links = useLinks();
  const publish = usePublish(product);
  const [asks, setAsks] = useState<'withdraw' | 'delete'>();
  const isDraft = product.spec.publishStatus === 'Draft';
  const entity = useEntityPage(product, !isDraft);
  const requests = links.requests({ product: pathOf(product), state: 'all' });
  const edit = links.edit(product);
  return (
    <Flex direction="column" gap="3" align={{ initial: 'start', md: 'end' }}>
      <Flex gap="2" style={{ flexWrap: 'wrap' }}>
        {entity && (
          <ButtonLink variant="tertiary" href={entity}>
            {t('products.detail.entity')}
          </ButtonLink>
        )}
        {product.may.seeRequests && requests && (
          <ButtonLink variant="secondary" href={requests}>
            {t('products.detail.requests')}
          </ButtonLink>
        )}
        {product.may.edit && (
          <>
            <Button
              variant="secondary"
              destructive
              onPress={() => setAsks('delete')}
            >
              {t('products.detail.delete')}
            </Button>
            {!isDraft && (
              <Button variant="secondary" onPress={() => setAsks('withdraw')}>
                {t('products.detail.withdraw')}
              </Button>
            )}
            {edit && (
              <ButtonLink
                variant={isDraft ? 'secondary' : 'primary'}
                href={edit}
              >
                {t('products.detail.edit')}
              </ButtonLink>
            )}
            {isDraft && (
              <Button
                variant="primary"
                isPending={publish.isPending}
                onPress={() => publish.mutate('Published')}
              >
                {t('products.detail.publishNow')}
              </Button>
            )}
          </>
        )}
      </Flex>
      {!product.may.edit && (
        <Text variant="body-small" color="secondary">
          {t('products.detail.mayNotEdit')}
        </Text>
      )}
      {publish.error && !asks && <Problem isWrite error={publish.error} />}
      {asks === 'withdraw' && (
        <Question
          title={t('products.withdraw.title', {
            name: product.spec.displayName,
          })}
          action={t('products.withdraw.action')}
          isPending={publish.isPending}
          error={publish.error}
          onConfirm={() =>
            publish.mutate('Draft', { onSuccess: () => setAsks(undefined) })
          }
          onClose={() => setAsks(undefined)}
        >
          <Text>{t('products.withdraw.text')}</Text>
        </Question>
      )}
      {asks === 'delete' && (
        <DeleteProduct product={product} onClose={() => setAsks(undefined)} />
      )}
    </Flex>
  );
}
