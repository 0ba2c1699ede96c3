/* Publishes an API: first the route that serves it, then what is said about it. */
import { useState } from 'react';
import { useAppNavigate } from '@backstage/frontend-plugin-api';
import { Button, Flex, Text } from '@backstage/ui';
import type {
  NewProduct,
  RouteRow,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf, useRoutes, useWrite } from '../portal';
import type { Named, PortalError } from '../portal';
import type { Once } from '../shown';
import {
  Back,
  Empty,
  LoadedRows,
  Page,
  TypedBefore,
  onceFor,
  pathOf,
  useLinks,
  useSearch,
  useTyped,
  useWords,
} from '../shown';
import { ProductForm, wrongsOf } from './ProductForm';
import { RouteCard } from './RouteCard';
import { RoutePicker } from './RoutePicker';
import { newDraft, productOf } from './draft';
import type { Draft } from './draft';
import { yamlOf } from './yaml';

export const PublishPage = () => (
  <Page>
    <Publish />
  </Page>
);

function Publish() {
  const t = useWords();
  const links = useLinks();
  const [{ route }, change] = useSearch('route');
  return (
    <Flex direction="column" gap="5">
      <Back href={links.products()}>{t('products.back')}</Back>
      {route ? (
        <OnRoute
          key={route}
          path={route}
          onOther={() => change({ route: undefined })}
        />
      ) : (
        <RoutePicker onChoose={it => change({ route: pathOf(it) })} />
      )}
    </Flex>
  );
}

function OnRoute({ path, onOther }: { path: string; onOther: () => void }) {
  const t = useWords();
  const [namespace, name] = path.split('/');
  const rows = useRoutes({ namespace, q: name });
  const other = (
    <Button variant="secondary" onPress={onOther}>
      {t('products.routes.other')}
    </Button>
  );
  const missing = (
    <Empty title={t('products.routes.notThere')} action={other} />
  );
  return (
    <LoadedRows rows={rows} empty={missing}>
      {items => {
        const route = items.find(it => it.name === name);
        return route ? <NewOne route={route} other={other} /> : missing;
      }}
    </LoadedRows>
  );
}

/** The route's name, unless a product has it. */
function nameOn({ name, namespace, products }: RouteRow): string {
  const taken = new Set(
    products.filter(it => it.namespace === namespace).map(it => it.name),
  );
  let free = name;
  for (let number = 2; taken.has(free); number++) {
    free = `${name}-${number}`;
  }
  return free;
}

type Typed = {
  draft: Draft;
  /** What was sent last. */
  once?: Once;
  /** Nobody knows whether it was done. */
  isSent?: boolean;
};

function NewOne({ route, other }: { route: RouteRow; other: JSX.Element }) {
  const t = useWords();
  const links = useLinks();
  const navigate = useAppNavigate();
  const { typed, type, set, discard, isBefore } = useTyped<Typed>(
    `publish ${pathOf(route)}`,
    () => ({ draft: newDraft(nameOn(route)) }),
  );
  const { draft, isSent } = typed;
  const [sent, setSent] = useState<Draft>();
  const create = useWrite(
    (client, { body, key }: { body: NewProduct; key: string }) =>
      dataOf(
        client.POST('/v1/products', {
          params: { header: { 'Idempotency-Key': key } },
          body,
        }),
      ),
    'products',
    'routes',
  );
  const product = productOf(draft, route);
  const missing: (keyof Draft)[] = sent
    ? (['displayName', 'name'] as const).filter(it => !draft[it].trim())
    : [];
  const wrongs = wrongsOf(create.error, sent, draft);
  for (const field of missing) {
    wrongs[field] = t('products.form.required');
  }
  const refused = ({ isUnknown, isUsed }: PortalError) => {
    if (isUnknown) return;
    set(before => ({
      ...before,
      // What was sent before may have been done all the same.
      isSent: isSent && !isUsed,
      once: isUsed ? undefined : before.once,
    }));
  };
  const send = () => {
    setSent(draft);
    if (!draft.displayName.trim() || !draft.name.trim()) return;
    const once = onceFor(typed.once, product);
    type(before => ({ ...before, once, isSent: true }));
    const onSuccess = (made: Named) => {
      const page = links.product(made);
      if (page) navigate(page);
    };
    void create
      .mutateAsync({ body: product, key: once.key }, { onSuccess })
      .then(discard, refused);
  };
  const action = draft.publishStatus === 'Draft' ? 'saveDraft' : 'publish';
  return (
    <Flex direction="column" gap="6">
      <Text as="h2" variant="title-small" weight="bold">
        {t('products.publish')}
      </Text>
      <RouteCard route={route} action={other} />
      {(isBefore || isSent) && !create.isPending && !create.error && (
        <TypedBefore isSent={isSent} onDiscard={discard} />
      )}
      <ProductForm
        isNew
        draft={draft}
        wrongs={wrongs}
        onChange={changes =>
          type(it => ({ ...it, draft: { ...it.draft, ...changes } }))
        }
        isPending={create.isPending}
        error={create.error}
        action={t(`products.form.${action}`)}
        yaml={yamlOf(product)}
        yamlNote={t('products.form.yamlNote')}
        onSend={send}
      />
    </Flex>
  );
}
