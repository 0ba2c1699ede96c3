/* Which products lack something that the organisation expects, and whom to tell? */
import { ButtonLink, Flex, Text } from '@backstage/ui';
import type { ProductRow } from '@devportal/backstage-plugin-devportal-common';
import { useEachProduct, useProduct, useProducts } from '../portal';
import {
  Email,
  Filters,
  Empty,
  LoadedRows,
  Name,
  Page,
  Sheet,
  TeamPicker,
  To,
  pathOf,
  useLinks,
  useSearch,
  useWords,
} from '../shown';
import type { Column } from '../shown';

export const ConsistencyPage = () => (
  <Page>
    <Consistency />
  </Page>
);

function Consistency() {
  const t = useWords();
  const [search, change] = useSearch('team', 'q');
  const rows = useProducts({
    incomplete: true,
    namespace: search.team,
    q: search.q,
  });
  const why = search.team || search.q ? 'search0' : 'well';
  return (
    <Flex direction="column" gap="5">
      <Text color="secondary">{t('health.gaps.note')}</Text>
      <Filters
        label={t('health.gaps.search')}
        words={search.q}
        onSearch={q => change({ q })}
      >
        <TeamPicker
          label={t('health.gaps.team')}
          all={t('health.gaps.anyTeam')}
          value={search.team}
          onChange={team => change({ team })}
        />
      </Filters>
      <LoadedRows
        rows={rows}
        empty={
          <Empty title={t(`health.gaps.${why}`)}>
            {t(`health.gaps.${why}Next`)}
          </Empty>
        }
      >
        {items => <Gaps rows={items} />}
      </LoadedRows>
    </Flex>
  );
}

function Gaps({ rows }: { rows: ProductRow[] }) {
  const t = useWords();
  const links = useLinks();
  const editable = new Set(
    useEachProduct(rows).flatMap(({ data }) =>
      data?.may.edit ? [pathOf(data)] : [],
    ),
  );
  const columns: Column<ProductRow>[] = [
    {
      id: 'product',
      label: t('health.gaps.product'),
      isMain: true,
      width: '26%',
      cell: row => (
        <>
          <To href={links.product(row)} weight="bold">
            <Name>{row.displayName}</Name>
          </To>
          <Text as="div" variant="body-small" color="secondary">
            {pathOf(row)}
          </Text>
        </>
      ),
    },
    {
      id: 'missing',
      label: t('health.gaps.missing'),
      cell: row => (
        <Flex direction="column" gap="2">
          {row.gaps.map(it => (
            <div key={`${it.field} ${it.message}`}>
              <Text as="div">
                <bdi>{it.message}</bdi>
              </Text>
              <Text as="div" variant="body-small" color="secondary">
                {it.field}
              </Text>
            </div>
          ))}
        </Flex>
      ),
    },
    {
      id: 'whom',
      label: t('health.gaps.whom'),
      width: '24%',
      cell: row => <Whom row={row} />,
    },
    {
      id: 'actions',
      label: t('health.gaps.actions'),
      width: '6rem',
      // Only for whom the server lets edit it, and Backstage.
      isOf: row => editable.has(pathOf(row)) && links.edit(row) !== undefined,
      cell: row => (
        <ButtonLink
          variant="secondary"
          href={links.edit(row)}
          aria-label={t('health.gaps.editOf', { name: row.displayName })}
        >
          {t('health.gaps.edit')}
        </ButtonLink>
      ),
    },
  ];
  return (
    <Sheet
      label={t('health.gaps.list')}
      columns={columns}
      rows={rows}
      idOf={pathOf}
    />
  );
}

/** Owner and team stand in the row; addresses only in the product. */
function Whom({ row }: { row: ProductRow }) {
  const t = useWords();
  const { data } = useProduct(row);
  const contact = data?.spec.contact;
  const names = [
    ...new Set([row.owner?.name, row.team, contact?.slack]),
  ].filter((it): it is string => Boolean(it));
  if (names.length === 0 && !contact?.email) {
    return <Text color="secondary">{t('health.gaps.unknown')}</Text>;
  }
  return (
    <Flex direction="column" gap="1">
      {names.map(it => (
        <Name key={it}>{it}</Name>
      ))}
      {contact?.email && <Email address={contact.email} />}
    </Flex>
  );
}
