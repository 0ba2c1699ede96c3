/*
 * Edits a product. Only what has changed is sent, and only onto what was seen: where
 * somebody else was faster their words are shown next to those that were typed.
 */
import { useState } from 'react';
import {
  useApi,
  useAppNavigate,
  useRouteRefParams,
} from '@backstage/frontend-plugin-api';
import { Flex, Text } from '@backstage/ui';
import { useQuery } from '@tanstack/react-query';
import type {
  Product,
  ProductSpec,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf, portalApiRef, useWrite, versionedOf } from '../portal';
import type { Named, PortalClient, PortalError, Versioned } from '../portal';
import {
  Back,
  Loaded,
  Name,
  Page,
  TypedBefore,
  pathOf,
  useLinks,
  useTyped,
  useWords,
} from '../shown';
import { editRouteRef } from '../routes';
import { Conflict } from './Conflict';
import { ProductForm, wrongsOf } from './ProductForm';
import { draftOf, merged, patchOf, patched } from './draft';
import type { Draft } from './draft';
import { yamlOf } from './yaml';

export function EditPage() {
  const path = useRouteRefParams(editRouteRef);
  return (
    <Page>
      <Edit path={path} />
    </Page>
  );
}

type Seen = Versioned<Product>;

const look = (client: PortalClient, path: Named): Promise<Seen> =>
  versionedOf(
    client.GET('/v1/products/{namespace}/{name}', { params: { path } }),
  );

function Edit({ path }: { path: Named }) {
  const t = useWords();
  const links = useLinks();
  const { client } = useApi(portalApiRef);
  const query = useQuery<Seen, PortalError>({
    queryKey: ['edited', path.namespace, path.name],
    queryFn: () => look(client, path),
    // Each visit begins with what is there now.
    gcTime: 0,
  });
  return (
    <Flex direction="column" gap="5">
      <Back href={links.product(path)}>
        <Name>{pathOf(path)}</Name>
      </Back>
      <Loaded query={query} lines={8}>
        {seen => (
          <>
            <Text as="h2" variant="title-small" weight="bold">
              {t('products.form.editing', {
                name: <Name>{seen.spec.displayName}</Name>,
              })}
            </Text>
            <Form opened={seen} />
          </>
        )}
      </Loaded>
    </Flex>
  );
}

type Typed = {
  /** What it is to be written onto. */
  seen: Seen;
  draft: Draft;
  /** What was there when somebody else was faster. */
  before?: Draft;
};

const draftFrom = ({ name, spec }: Seen) => draftOf(name, spec);

function Form({ opened }: { opened: Seen }) {
  const t = useWords();
  const links = useLinks();
  const navigate = useAppNavigate();
  const { client } = useApi(portalApiRef);
  const name = pathOf(opened);
  const { typed, type, set, discard, isBefore } = useTyped<Typed>(
    `edit of ${name}`,
    () => ({ seen: opened, draft: draftFrom(opened) }),
  );
  const { seen, draft, before } = typed;
  const [sent, setSent] = useState<Draft>();
  const path = { namespace: seen.namespace, name: seen.name };
  const patch = patchOf(draftFrom(seen), draft);
  const save = useWrite(
    (_, write: { spec: Record<string, unknown>; etag?: string }) =>
      dataOf(
        client.PATCH('/v1/products/{namespace}/{name}', {
          params: { path, header: { 'If-Match': write.etag } },
          body: { spec: write.spec },
        }),
      ),
    'products',
  );
  const onSuccess = () => {
    const page = links.product(path);
    if (page) navigate(page);
  };
  const send = async (onto: Seen, yours: Draft) => {
    const base = draftFrom(onto);
    setSent(yours);
    try {
      await save.mutateAsync(
        { spec: patchOf(base, yours), etag: onto.etag },
        { onSuccess },
      );
    } catch (error) {
      if ((error as PortalError).status !== 412) return;
      const now = await look(client, path).catch(() => undefined);
      if (!now) return;
      const there = draftFrom(now);
      set(it => ({ ...it, seen: now }));
      if (JSON.stringify(there) === JSON.stringify(base)) {
        // Only the status is new: nobody has written over anything.
        if (now.etag !== onto.etag) await send(now, yours);
        return;
      }
      set(it => ({
        ...it,
        before: base,
        draft: merged(base, it.draft, there),
      }));
      return;
    }
    // Also who has left meanwhile is to find it done.
    discard();
  };
  return (
    <ProductForm
      isNew={false}
      draft={draft}
      wrongs={wrongsOf(save.error, sent, draft)}
      onChange={changes =>
        type(it => ({ ...it, draft: { ...it.draft, ...changes } }))
      }
      isPending={save.isPending}
      isReady={Object.keys(patch).length > 0}
      error={save.error?.status === 412 && before ? null : save.error}
      action={t('products.form.save')}
      yaml={yamlOf({
        ...path,
        spec: patched({ ...seen.spec }, patch) as ProductSpec,
      })}
      yamlNote={t('products.form.yamlEditNote')}
      notice={
        <>
          {isBefore && <TypedBefore onDiscard={discard} />}
          {before && (
            <Conflict before={before} now={draftFrom(seen)} yours={draft} />
          )}
        </>
      }
      onSend={() => void send(seen, draft)}
    />
  );
}
