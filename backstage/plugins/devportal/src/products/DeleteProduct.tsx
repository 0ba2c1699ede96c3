/* Deletes a product: says what goes with it, and asks for its name. */
import { useState } from 'react';
import { useApi, useAppNavigate } from '@backstage/frontend-plugin-api';
import { Alert, Text } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { dataOf, portalApiRef, useWrite } from '../portal';
import { Field, Question, useLinks, useWords } from '../shown';

export function DeleteProduct({
  product,
  onClose,
}: {
  product: Product;
  onClose: () => void;
}) {
  const t = useWords();
  const links = useLinks();
  const navigate = useAppNavigate();
  const [typed, setTyped] = useState('');
  const { namespace, name, keys } = product;
  const { outdate } = useApi(portalApiRef);
  // The product's own page goes first: it would ask for what is no longer there.
  const remove = useWrite((client, path: { namespace: string; name: string }) =>
    dataOf(
      client.DELETE('/v1/products/{namespace}/{name}', { params: { path } }),
    ),
  );
  const takes = keys
    ? t('products.delete.takes', {
        active: t('products.delete.active', { count: keys.approved }),
        pending: t('products.delete.pending', { count: keys.pending }),
      })
    : t('products.delete.unknown');
  return (
    <Question
      title={t('products.delete.title', { name: product.spec.displayName })}
      action={t('products.delete.action')}
      isDestructive
      isReady={typed === name}
      isPending={remove.isPending}
      error={remove.error}
      onConfirm={() =>
        remove.mutate(
          { namespace, name },
          {
            onSuccess: () => {
              const list = links.products();
              if (list) navigate(list);
              void outdate('products', 'routes', 'keys', 'requests', 'me');
            },
          },
        )
      }
      onClose={onClose}
    >
      <Alert status="warning" icon title={takes} />
      <Text>{t('products.delete.text')}</Text>
      <Field
        label={t('products.delete.type', { name })}
        value={typed}
        onChange={setTyped}
      />
    </Question>
  );
}
