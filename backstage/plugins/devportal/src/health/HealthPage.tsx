/* What is amiss, for whoever runs the platform; and what the cluster lets them do. */
import { useRouteRef } from '@backstage/frontend-plugin-api';
import { Flex, Text } from '@backstage/ui';
import type { UseQueryResult } from '@tanstack/react-query';
import type {
  Myself,
  RouteRow,
} from '@devportal/backstage-plugin-devportal-common';
import {
  fetchMore,
  useHealth,
  useKeys,
  useMe,
  useProducts,
  useRoutes,
} from '../portal';
import type { PortalError, Rows } from '../portal';
import {
  Facts,
  Loaded,
  Page,
  Section,
  pathOf,
  useLinks,
  useWords,
} from '../shown';
import type { Words } from '../shown';
import { keyRouteRef } from '../routes';
import { Findings } from './Findings';

export const HealthPage = () => (
  <Page>
    <Health />
  </Page>
);

/** The rows of a list as one answer, and how to get more of them. */
const asOne = <T,>(rows: Rows<T>) => ({
  query: rows as UseQueryResult<T[], PortalError>,
  more: rows.hasNextPage
    ? {
        isFetching: rows.isFetchingNextPage,
        fetch: () => void fetchMore(rows),
      }
    : undefined,
});

function Health() {
  const t = useWords();
  const links = useLinks();
  const key = useRouteRef(keyRouteRef);
  return (
    <Flex direction="column" gap="5">
      <Findings
        heading={t('health.portal.heading')}
        note={t('health.portal.note')}
        well={t('health.portal.well')}
        query={useHealth()}
        find={({ findings }) =>
          findings.map(it => ({
            id: it.about,
            about: it.about,
            messages: [it.message],
            since: it.since,
            next: it.next,
          }))
        }
      />
      <Findings
        heading={t('health.products.heading')}
        note={t('health.products.note')}
        well={t('health.products.well')}
        {...asOne(useProducts({ troubled: true }))}
        find={products =>
          products.flatMap(product =>
            product.problems.map(it => ({
              id: `${pathOf(product)} ${it.kind}`,
              about: `${product.displayName} · ${pathOf(product)}`,
              messages: [it.message || it.reason],
              since: it.since,
              next: it.about ?? t('health.products.next'),
              href: links.product(product),
            })),
          )
        }
      />
      <Findings
        heading={t('health.keys.heading')}
        note={t('health.keys.note')}
        well={t('health.keys.well')}
        {...asOne(useKeys({ unenforced: true }))}
        find={keys =>
          keys.map(it => ({
            id: pathOf(it),
            about: `${pathOf(it)} → ${pathOf(it.product)}`,
            messages: [it.enforced?.message ?? it.message ?? it.state],
            since: it.enforced?.since,
            next: it.enforced?.about ?? t('health.keys.next'),
            href: key?.({ namespace: it.namespace, name: it.name }),
          }))
        }
      />
      <Findings
        heading={t('health.routes.heading')}
        note={t('health.routes.note')}
        well={t('health.routes.well')}
        {...asOne(useRoutes())}
        find={routes =>
          routes
            .map(it => ({ route: it, messages: lacksOf(it, t) }))
            .filter(({ messages }) => messages.length > 0)
            .map(({ route, messages }) => ({
              id: pathOf(route),
              about: pathOf(route),
              messages,
              next: nextFor(route, t),
              href: links.publish({ q: route.name }),
            }))
        }
      />
      <You me={useMe()} />
    </Flex>
  );
}

/** What a product on the route would lack, as the server tells it. */
function lacksOf(route: RouteRow, t: Words): string[] {
  const policies = [route.authPolicy, route.planPolicy];
  return [
    ...(route.accepted ? [] : [t('health.routes.accepted')]),
    ...policies
      .filter(it => !it.found)
      .map(it => it.message ?? t('products.routes.missing')),
    ...(route.exposed ? [] : [t('health.routes.exposed')]),
  ];
}

function nextFor(route: RouteRow, t: Words): string {
  if (!route.accepted) return t('health.routes.nextAccepted');
  return route.authPolicy.found && route.planPolicy.found
    ? t('health.routes.nextExposed')
    : t('health.routes.next');
}

function You({ me }: { me: UseQueryResult<Myself, PortalError> }) {
  const t = useWords();
  const places = (namespaces: string[]) =>
    namespaces.join(', ') || t('health.me.none');
  const may = (holds: boolean) => t(`health.me.${holds ? 'yes' : 'no'}`);
  return (
    <Section title={t('health.me.heading')}>
      <Flex direction="column" gap="4">
        <Text color="secondary">{t('health.me.note')}</Text>
        <Loaded query={me}>
          {it => (
            <>
              <Facts
                facts={[
                  [t('health.me.user'), <bdi>{it.user}</bdi>],
                  [
                    t('health.me.email'),
                    <bdi>{it.email ?? t('health.me.unknown')}</bdi>,
                  ],
                  [t('health.me.groups'), <bdi>{it.groups.join(', ')}</bdi>],
                  [t('health.me.requestIn'), places(it.requestIn)],
                  [t('health.me.publishIn'), places(it.publishIn)],
                  [t('health.me.seesKeys'), may(it.seesKeys)],
                  [t('health.me.seesRequests'), may(it.seesRequests)],
                  [t('health.me.decides'), may(it.decides)],
                ]}
              />
              {it.advice && (
                <Text style={{ whiteSpace: 'pre-wrap' }}>{it.advice}</Text>
              )}
            </>
          )}
        </Loaded>
      </Flex>
    </Section>
  );
}
