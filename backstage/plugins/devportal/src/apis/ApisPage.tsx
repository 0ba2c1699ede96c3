/* The APIs that somebody may use: where they land, and where the way to a key begins. */
import { Button, ButtonLink, Flex, Text } from '@backstage/ui';
import { useMe, useProducts } from '../portal';
import {
  Empty,
  LoadedRows,
  Page,
  SearchBox,
  TeamPicker,
  pathOf,
  useLinks,
  useSearch,
  useWords,
} from '../shown';
import { ApiCard } from './ApiCard';
import css from './apis.module.css';

export const ApisPage = () => (
  <Page>
    <Apis />
  </Page>
);

function Apis() {
  const t = useWords();
  const [search, change] = useSearch('q', 'team');
  const rows = useProducts({
    status: 'Published',
    namespace: search.team,
    q: search.q,
  });
  const isNarrowed = Boolean(search.q || search.team);
  return (
    <Flex direction="column" gap="5">
      <div className={css.head}>
        <Text color="secondary">{t('apis.about')}</Text>
        <div className={css.filters}>
          <div className={css.search}>
            <SearchBox
              label={t('apis.search')}
              value={search.q}
              onSearch={q => change({ q })}
            />
          </div>
          <div className={css.team}>
            <TeamPicker
              label={t('apis.team')}
              all={t('apis.anyTeam')}
              isOfPublished
              value={search.team}
              onChange={team => change({ team })}
            />
          </div>
        </div>
      </div>
      <LoadedRows
        rows={rows}
        empty={
          isNarrowed ? (
            <Empty
              title={t('apis.none')}
              action={
                <Button
                  variant="secondary"
                  onPress={() => change({ q: undefined, team: undefined })}
                >
                  {t('apis.noneAction')}
                </Button>
              }
            >
              {t('apis.noneNext')}
            </Empty>
          ) : (
            <Nothing />
          )
        }
      >
        {items => (
          <ul className={css.apis} aria-label={t('apis.list')}>
            {items.map(it => (
              <ApiCard key={pathOf(it)} api={it} />
            ))}
          </ul>
        )}
      </LoadedRows>
    </Flex>
  );
}

/** Whoever may publish can do something about it. */
function Nothing() {
  const t = useWords();
  const links = useLinks();
  const me = useMe();
  const publish = links.publish();
  return (
    <Empty
      title={t('apis.empty')}
      action={
        publish &&
        me.data &&
        me.data.publishIn.length > 0 && (
          <ButtonLink variant="primary" href={publish}>
            {t('apis.emptyPublish')}
          </ButtonLink>
        )
      }
    >
      {t('apis.emptyNext')}
    </Empty>
  );
}
