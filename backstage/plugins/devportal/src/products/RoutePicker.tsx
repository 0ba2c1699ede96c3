/* Which route serves the API? */
import { Button, Flex, Text } from '@backstage/ui';
import type { RouteRow } from '@devportal/backstage-plugin-devportal-common';
import { useMe, useRoutes } from '../portal';
import {
  Empty,
  LoadedRows,
  SearchBox,
  pathOf,
  useSearch,
  useWords,
} from '../shown';
import { RouteCard } from './RouteCard';

export function RoutePicker({
  onChoose,
}: {
  onChoose: (route: RouteRow) => void;
}) {
  const t = useWords();
  const [{ q }, change] = useSearch('q');
  const rows = useRoutes({ q });
  const me = useMe();
  return (
    <Flex direction="column" gap="5">
      <div>
        <Text as="h2" variant="title-small" weight="bold">
          {t('products.routes.title')}
        </Text>
        <Text as="p" color="secondary">
          {t('products.routes.next')}
        </Text>
      </div>
      <SearchBox
        label={t('products.routes.search')}
        value={q}
        onSearch={it => change({ q: it })}
      />
      <LoadedRows
        rows={rows}
        empty={
          <Empty title={t(`products.routes.${q ? 'noMatch' : 'empty'}`)}>
            {t(`products.routes.${q ? 'noMatchNext' : 'emptyNext'}`)}
          </Empty>
        }
      >
        {items => (
          <Flex direction="column" gap="4">
            {items.map(route => (
              <RouteCard
                key={pathOf(route)}
                route={route}
                action={
                  me.data?.publishIn.includes(route.namespace) ? (
                    <Button
                      variant="primary"
                      aria-label={t('products.routes.chooseOf', {
                        name: pathOf(route),
                      })}
                      onPress={() => onChoose(route)}
                    >
                      {t('products.routes.choose')}
                    </Button>
                  ) : (
                    <Text variant="body-small" color="secondary">
                      {t('products.routes.mayNot', {
                        namespace: route.namespace,
                      })}
                    </Text>
                  )
                }
              />
            ))}
          </Flex>
        )}
      </LoadedRows>
    </Flex>
  );
}
