/* The queue: who asks for access, and who has waited longest. */
import { ButtonLink, Flex, Text } from '@backstage/ui';
import type {
  RequestRow,
  State as RequestState,
} from '@devportal/backstage-plugin-devportal-common';
import { useMe, useRequests } from '../portal';
import {
  Filters,
  Choice,
  Empty,
  LoadedRows,
  Name,
  Page,
  ProductPicker,
  Quoted,
  Sheet,
  State,
  TeamPicker,
  To,
  When,
  pathOf,
  useLinks,
  useSearch,
  useWords,
} from '../shown';
import type { Column } from '../shown';
import { ApprovedTier, Tier } from './Tier';

const STATES: RequestState[] = [
  'Pending',
  'Approved',
  'Denied',
  'Expired',
  'Failed',
];

/** Those that wait for a decision, whatever their state. */
const WAITING = 'waiting';

const whyEmpty = (mayNot: boolean, isSearch: boolean) => {
  if (mayNot) return 'mayNot' as const;
  return isSearch ? ('search' as const) : ('none' as const);
};

const stateColumn = (label: string): Column<RequestRow> => ({
  id: 'state',
  label,
  width: '18%',
  cell: row => (
    <Flex direction="column" gap="1" align="start">
      <State of={row.state} enforced={row.enforced} />
      {row.message && <Quoted text={row.message} lines={3} />}
    </Flex>
  ),
});

export const RequestsPage = () => (
  <Page>
    <Queue />
  </Page>
);

function Queue() {
  const t = useWords();
  const [search, change] = useSearch('state', 'product', 'team', 'q');
  const me = useMe();
  const state = STATES.find(it => it === search.state);
  const shown = search.state === 'all' ? 'all' : state ?? WAITING;
  const rows = useRequests({
    state,
    waiting: shown === WAITING || undefined,
    product: search.product,
    namespace: search.team,
    q: search.q,
  });
  const isNarrowed = Boolean(search.product || search.team || search.q);
  const mayNot = me.data?.seesRequests === false;
  return (
    <Flex direction="column" gap="5">
      <Flex direction="column" gap="3">
        <Choice
          label={t('requests.filters.state')}
          value={shown}
          options={[
            { id: WAITING, label: t('requests.filters.waiting') },
            ...STATES.map(id => ({ id, label: t(`shown.state.${id}`) })),
            { id: 'all' as const, label: t('requests.filters.all') },
          ]}
          onChange={id => change({ state: id === WAITING ? undefined : id })}
        />
        <Narrow search={search} change={change} />
      </Flex>
      <LoadedRows
        rows={rows}
        empty={
          <NoRequests why={whyEmpty(mayNot, isNarrowed || shown !== WAITING)} />
        }
      >
        {items => (
          <Requests
            rows={items}
            isPending={
              shown === 'Pending' ||
              // Of a change of what was approved the state tells that it is one.
              (shown === WAITING && items.every(it => it.state === 'Pending'))
            }
          />
        )}
      </LoadedRows>
    </Flex>
  );
}

type Search = Partial<Record<'product' | 'team' | 'q', string>>;

function Narrow({
  search,
  change,
}: {
  search: Search;
  change: (changes: Search) => void;
}) {
  const t = useWords();
  return (
    <Filters
      label={t('requests.filters.search')}
      words={search.q}
      onSearch={q => change({ q })}
    >
      <ProductPicker
        label={t('requests.filters.product')}
        all={t('requests.filters.anyProduct')}
        value={search.product}
        onChange={product => change({ product })}
      />

      <TeamPicker
        label={t('requests.filters.team')}
        all={t('requests.filters.anyTeam')}
        value={search.team}
        onChange={team => change({ team })}
      />
    </Filters>
  );
}

function NoRequests({ why }: { why: ReturnType<typeof whyEmpty> }) {
  const t = useWords();
  return (
    <Empty title={t(`requests.empty.${why}`)}>
      {t(`requests.empty.${why}Next`)}
    </Empty>
  );
}

function Requests({
  rows,
  isPending,
}: {
  rows: RequestRow[];
  isPending: boolean;
}) {
  const t = useWords();
  const links = useLinks();
  const columns: Column<RequestRow>[] = [
    {
      id: 'who',
      label: t('requests.columns.who'),
      isMain: true,
      width: '20%',
      cell: row => (
        <>
          <To href={links.request(row)} weight="bold">
            <Name>{row.requestedBy.userId}</Name>
          </To>
          <Text as="div" variant="body-small" color="secondary">
            <Name>{row.requestedBy.email}</Name>
          </Text>
        </>
      ),
    },
    {
      id: 'what',
      label: t('requests.columns.what'),
      width: '24%',
      cell: row => (
        <>
          <To href={links.product(row.product)}>
            <Name>{pathOf(row.product)}</Name>
          </To>
          <Tier product={row.product} tier={row.tier} />
          {row.approvedTier && <ApprovedTier tier={row.approvedTier} />}
        </>
      ),
    },
    {
      id: 'useCase',
      label: t('requests.columns.useCase'),
      cell: row =>
        row.useCase ? (
          <Quoted text={row.useCase} lines={3} />
        ) : (
          <Text color="secondary">{t('requests.noUseCase')}</Text>
        ),
    },
    ...(isPending ? [] : [stateColumn(t('requests.columns.state'))]),
    {
      id: 'until',
      label: t('requests.columns.until'),
      width: '9%',
      cell: row =>
        row.expiresAt ? (
          <When at={row.expiresAt} />
        ) : (
          <Text color="secondary">{t('requests.facts.forever')}</Text>
        ),
    },
    {
      id: 'asked',
      label: t(`requests.columns.${isPending ? 'waits' : 'asked'}`),
      width: '9%',
      cell: row => <When at={row.created} />,
    },
    {
      id: 'open',
      label: t('requests.columns.open'),
      width: '7rem',
      isOf: row => links.request(row) !== undefined,
      cell: row => {
        const waits = row.waiting;
        const who = row.requestedBy.userId;
        return (
          <ButtonLink
            href={links.request(row)}
            variant="secondary"
            aria-label={t(`requests.${waits ? 'reviewOf' : 'viewOf'}`, { who })}
          >
            {t(`requests.${waits ? 'review' : 'view'}`)}
          </ButtonLink>
        );
      },
    },
  ];
  return (
    <Sheet
      label={t('requests.list')}
      columns={columns}
      rows={rows}
      idOf={pathOf}
    />
  );
}
