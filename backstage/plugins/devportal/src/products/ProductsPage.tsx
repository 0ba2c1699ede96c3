/* The products that somebody may see, and how they stand. */
import { Badge, ButtonLink, Flex, Link, Text } from '@backstage/ui';
import { RiAddLine, RiAlertLine } from '@remixicon/react';
import type {
  Finding,
  ProductRow,
  PublishStatus,
} from '@devportal/backstage-plugin-devportal-common';
import { useMe, useProducts } from '../portal';
import {
  Filters,
  Choice,
  Empty,
  LoadedRows,
  Name,
  Page,
  Quoted,
  Sheet,
  State,
  TeamPicker,
  To,
  pathOf,
  useLanguage,
  useLinks,
  useSearch,
  useWords,
} from '../shown';
import type { Column } from '../shown';

const STATUSES: PublishStatus[] = ['Published', 'Draft'];

export const ProductsPage = () => (
  <Page>
    <Products />
  </Page>
);

function Products() {
  const t = useWords();
  const links = useLinks();
  const me = useMe();
  const [search, change] = useSearch('status', 'team', 'q');
  const status = STATUSES.find(it => it === search.status);
  const rows = useProducts({ status, namespace: search.team, q: search.q });
  const isSearch = Boolean(status || search.team || search.q);
  const mayPublish = (me.data?.publishIn.length ?? 0) > 0;
  const page = links.publish();
  const publish = mayPublish && page && (
    <ButtonLink variant="primary" href={page} iconStart={<RiAddLine />}>
      {t('products.publish')}
    </ButtonLink>
  );
  const why = isSearch ? 'search' : 'none';
  return (
    <Flex direction="column" gap="5">
      <Flex justify="between" gap="3" style={{ flexWrap: 'wrap' }}>
        <Choice
          label={t('products.filters.status')}
          value={status ?? 'all'}
          options={[
            { id: 'all' as const, label: t('products.filters.all') },
            ...STATUSES.map(id => ({ id, label: t(`shown.state.${id}`) })),
          ]}
          onChange={id => change({ status: id === 'all' ? undefined : id })}
        />
        {publish}
      </Flex>
      <Filters
        label={t('products.filters.search')}
        words={search.q}
        onSearch={q => change({ q })}
      >
        <TeamPicker
          label={t('products.filters.team')}
          all={t('products.filters.anyTeam')}
          value={search.team}
          onChange={team => change({ team })}
        />
      </Filters>
      <LoadedRows
        rows={rows}
        empty={
          <Empty
            title={t(`products.empty.${why}`)}
            action={!isSearch && publish}
          >
            {t(`products.empty.${why}Next`)}
          </Empty>
        }
      >
        {items => <Table rows={items} />}
      </LoadedRows>
    </Flex>
  );
}

/** How many, and at a press of the button which. */
function Problems({ of: problems }: { of: Finding[] }) {
  const t = useWords();
  return (
    <details>
      <summary style={{ cursor: 'pointer' }}>
        <Badge
          size="small"
          // The colour is the icon's: as a text it would be hard to read.
          icon={<RiAlertLine style={{ color: 'var(--bui-fg-warning)' }} />}
        >
          {t('products.problems', { count: problems.length })}
        </Badge>
      </summary>
      {problems.map(({ kind, reason, message }) => (
        <Quoted key={kind} text={message || `${kind}: ${reason}`} />
      ))}
    </details>
  );
}

function Table({ rows }: { rows: ProductRow[] }) {
  const t = useWords();
  const language = useLanguage();
  const links = useLinks();
  /** A count that leads to what it counts. */
  const count = (row: ProductRow, state: 'approved' | 'waiting') => {
    const number = row.keys?.[state];
    if (number === undefined) {
      return <Text color="secondary">{t('products.notTold')}</Text>;
    }
    const href = links.requests({
      product: pathOf(row),
      state: state === 'approved' ? 'Approved' : 'waiting',
    });
    return number > 0 && href ? (
      <Link href={href}>{number.toLocaleString(language)}</Link>
    ) : (
      <Text color="secondary">{number.toLocaleString(language)}</Text>
    );
  };
  const columns: Column<ProductRow>[] = [
    {
      id: 'name',
      label: t('products.columns.name'),
      isMain: true,
      width: '30%',
      cell: row => (
        <>
          <To href={links.product(row)} weight="bold">
            <Name>{row.displayName}</Name>
          </To>
          <Text as="div" variant="body-small" color="secondary">
            {pathOf(row)}
            {row.version && (
              <>
                {' · '}
                <Name>{row.version}</Name>
              </>
            )}
          </Text>
        </>
      ),
    },
    {
      id: 'status',
      label: t('products.columns.status'),
      cell: row => (
        <Flex direction="column" gap="1" align="start">
          <State of={row.publishStatus} />
          {row.problems.length > 0 && <Problems of={row.problems} />}
        </Flex>
      ),
    },
    {
      id: 'approval',
      label: t('products.columns.approval'),
      cell: row => t(`products.approval.${row.approvalMode}`),
    },
    {
      id: 'plans',
      label: t('products.columns.plans'),
      cell: row => <bdi>{row.tiers.join(', ') || t('products.notTold')}</bdi>,
    },
    {
      id: 'active',
      label: t('products.columns.active'),
      cell: row => count(row, 'approved'),
    },
    {
      id: 'waiting',
      label: t('products.columns.waiting'),
      cell: row => count(row, 'waiting'),
    },
    {
      id: 'team',
      label: t('products.columns.team'),
      cell: row => <bdi>{row.team ?? row.owner?.name ?? row.namespace}</bdi>,
    },
  ];
  return (
    <Sheet
      label={t('products.list')}
      columns={columns}
      rows={rows}
      idOf={pathOf}
    />
  );
}
