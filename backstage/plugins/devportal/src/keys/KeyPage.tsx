/* One key: how it stands and why, what it opens, and what can be done with it. */
import { useEffect, useRef } from 'react';
import {
  BreadcrumbEntry,
  useApi,
  useAppNavigate,
  useRouteRef,
  useRouteRefParams,
} from '@backstage/frontend-plugin-api';
import { Alert, Button, Flex, Grid, Text } from '@backstage/ui';
import type { Key } from '@devportal/backstage-plugin-devportal-common';
import { portalApiRef, useKey } from '../portal';
import {
  Loaded,
  Mono,
  Name,
  Page,
  Quoted,
  Section,
  State,
  pathOf,
  useKept,
  useWords,
} from '../shown';
import { keyRouteRef, keysRouteRef } from '../routes';
import { Calls } from './Calls';
import { Delete } from './Delete';
import { KeyFacts } from './KeyFacts';
import { Reveal } from './Reveal';
import { Rotate } from './Rotate';
import { Timeline } from './Timeline';
import { addressOf } from './snippets';

export const KeyPage = () => {
  const path = useRouteRefParams(keyRouteRef);
  return (
    <Page>
      <One key={`${path.namespace}/${path.name}`} path={path} />
    </Page>
  );
};

function One({ path }: { path: { namespace: string; name: string } }) {
  const query = useKey(path);
  const link = useRouteRef(keyRouteRef);
  return (
    <BreadcrumbEntry entry={{ label: path.name, href: link?.(path) ?? '' }}>
      <Loaded query={query} lines={8}>
        {data => <Shown of={data} />}
      </Loaded>
    </BreadcrumbEntry>
  );
}

function Shown({ of: key }: { of: Key }) {
  const t = useWords();
  const [asked, ask] = useKept<'reveal' | 'rotate' | 'delete' | undefined>(
    `asked of ${pathOf(key)}`,
    () => undefined,
  );
  const close = () => ask(undefined);
  const heading = useRef<HTMLHeadingElement>(null);
  // A dialog gives the focus back to what opened it, which may be gone by then.
  const isOpenerGone = useRef(asked !== undefined);
  useEffect(() => {
    if (asked || !isOpenerGone.current) return;
    isOpenerGone.current = false;
    heading.current?.focus();
  }, [asked]);
  const navigate = useAppNavigate();
  const keys = useRouteRef(keysRouteRef);
  const { outdate } = useApi(portalApiRef);
  const { namespace, name, product, url, credentials } = key;
  return (
    <Flex direction="column" gap="5">
      <Flex
        justify="between"
        align="start"
        gap="4"
        style={{ flexWrap: 'wrap' }}
      >
        <Flex direction="column" gap="2">
          <Text
            as="h2"
            variant="title-small"
            weight="bold"
            ref={heading}
            tabIndex={-1}
          >
            {t('keys.one.heading', { product: <bdi>{product.name}</bdi> })}
          </Text>
          <Flex gap="3" align="center" style={{ flexWrap: 'wrap' }}>
            <State of={key.state} enforced={key.enforced} />
            <Text color="secondary">
              <Mono>{name}</Mono>{' '}
              {t('keys.one.in', { namespace: <Name>{namespace}</Name> })}
            </Text>
          </Flex>
          {key.message && <Quoted text={key.message} />}
        </Flex>
        <Flex gap="2">
          {key.may.rotate && key.values.length > 0 && (
            <Button variant="secondary" onPress={() => ask('rotate')}>
              {t('keys.one.rotate')}
            </Button>
          )}
          {key.may.delete && (
            <Button
              variant="secondary"
              destructive
              onPress={() => ask('delete')}
            >
              {t('keys.one.delete')}
            </Button>
          )}
        </Flex>
      </Flex>
      {key.may.reveal && key.canReveal && (
        <Alert
          status="info"
          icon
          role="status"
          title={t('keys.one.waiting')}
          description={t('keys.one.waitingNext')}
          customActions={
            <Button onPress={() => ask('reveal')}>
              {t('keys.one.reveal')}
            </Button>
          }
        />
      )}
      <Grid.Root
        columns={{ initial: '1', md: '2' }}
        gap="5"
        style={{ alignItems: 'start' }}
      >
        <Flex direction="column" gap="5">
          <Section title={t('keys.one.details')}>
            <KeyFacts of={key} />
          </Section>
          <Section title={t('keys.one.timeline')}>
            <Timeline findings={key.conditions} />
          </Section>
        </Flex>
        <Section title={t('keys.one.snippets')}>
          {url ? (
            <Calls target={{ url: addressOf(url), credentials }} />
          ) : (
            <Text color="secondary">{t('keys.one.snippetsLater')}</Text>
          )}
        </Section>
      </Grid.Root>
      {asked === 'reveal' && (
        <Reveal
          of={key}
          onClose={isOver => {
            isOpenerGone.current ||= isOver;
            close();
          }}
          onRotate={() => {
            isOpenerGone.current = true;
            ask('rotate');
          }}
        />
      )}
      {asked === 'rotate' && (
        <Rotate of={{ namespace, name }} onClose={close} />
      )}
      {asked === 'delete' && (
        <Delete
          of={key}
          onClose={close}
          onDeleted={() => {
            navigate(keys?.() ?? '/', { replace: true });
            void outdate('keys', 'products');
          }}
        />
      )}
    </Flex>
  );
}
