/* Who may do what, as the cluster's roles and bindings say? */
import { Flex, Text } from '@backstage/ui';
import type { Grant } from '@devportal/backstage-plugin-devportal-common';
import { useGrants } from '../portal';
import {
  Empty,
  Filters,
  Loaded,
  Name,
  Page,
  Sheet,
  useSearch,
  useWords,
} from '../shown';
import type { Column } from '../shown';

export const AccessPage = () => (
  <Page>
    <Access />
  </Page>
);

function Access() {
  const t = useWords();
  const [search, change] = useSearch('q');
  const grants = useGrants();
  return (
    <Flex direction="column" gap="5">
      <Text color="secondary">{t('health.grants.note')}</Text>
      {grants.error?.status === 403 ? (
        <Empty title={t('health.grants.mayNot')}>
          <bdi>{grants.error.message}</bdi>
        </Empty>
      ) : (
        <>
          <Filters
            label={t('health.grants.search')}
            words={search.q}
            onSearch={q => change({ q })}
          />
          <Loaded query={grants}>
            {({ items }) => <Grants rows={items.filter(has(search.q))} />}
          </Loaded>
        </>
      )}
    </Flex>
  );
}

/** Whether words are in what a row shows of the cluster. */
function has(words = '') {
  return ({ subject, namespace, role, binding }: Grant) =>
    [subject.name, namespace, role, binding]
      .join('\n')
      .toLowerCase()
      .includes(words.trim().toLowerCase());
}

function Grants({ rows }: { rows: Grant[] }) {
  const t = useWords();
  const columns: Column<Grant>[] = [
    {
      id: 'who',
      label: t('health.grants.who'),
      isMain: true,
      width: '24%',
      cell: row => (
        <>
          <Text as="div" weight="bold">
            <Name>{row.subject.name}</Name>
          </Text>
          <Text as="div" variant="body-small" color="secondary">
            {row.subject.kind}
          </Text>
        </>
      ),
    },
    {
      id: 'where',
      label: t('health.grants.where'),
      width: '18%',
      cell: row => (
        <Text as="div">
          {row.namespace ? (
            <Name>{row.namespace}</Name>
          ) : (
            t('health.grants.everywhere')
          )}
        </Text>
      ),
    },
    {
      id: 'may',
      label: t('health.grants.mayDo'),
      cell: row => (
        <Text as="div">
          {row.may.map(it => t(`health.grants.acts.${it}`)).join(', ')}
        </Text>
      ),
    },
    {
      id: 'by',
      label: t('health.grants.by'),
      width: '26%',
      cell: row => (
        <>
          <Text as="div">
            <Name>{row.role}</Name>
          </Text>
          <Text as="div" variant="body-small" color="secondary">
            <Name>{row.binding}</Name>
          </Text>
        </>
      ),
    },
  ];
  if (rows.length === 0) {
    return (
      <Empty title={t('health.grants.none')}>
        {t('health.grants.noneNext')}
      </Empty>
    );
  }
  return (
    <Sheet
      label={t('health.grants.list')}
      columns={columns}
      rows={rows}
      idOf={row =>
        [row.namespace, row.binding, row.subject.kind, row.subject.name].join(
          ' ',
        )
      }
    />
  );
}
