/* Every key that somebody may see; what is looked for stands in the address. */
import { Button, ButtonLink, Flex, Text } from '@backstage/ui';
import type { State } from '@devportal/backstage-plugin-devportal-common';
import { useKeys } from '../portal';
import {
  Choice,
  Empty,
  LoadedRows,
  Page,
  SearchBox,
  useLinks,
  useSearch,
  useWords,
} from '../shown';
import { KeySheet } from './KeySheet';

const STATES = ['Pending', 'Approved', 'Denied', 'Expired', 'Failed'] as const;
/** Not a state of its own: approved, and the gateway does not know yet. */
const NOT_ENFORCED = 'NotEnforced';
const CHOICES = ['any', ...STATES, NOT_ENFORCED] as const;

export const KeysPage = () => (
  <Page>
    <Keys />
  </Page>
);

function Keys() {
  const t = useWords();
  const links = useLinks();
  const [search, change] = useSearch('state', 'q');
  const chosen = CHOICES.find(it => it === search.state) ?? 'any';
  const state: State | undefined = STATES.find(it => it === chosen);
  const rows = useKeys({
    q: search.q,
    state,
    unenforced: chosen === NOT_ENFORCED || undefined,
  });
  const isNarrowed = chosen !== 'any' || search.q !== undefined;
  return (
    <Flex direction="column" gap="5">
      <Text color="secondary">{t('keys.list.about')}</Text>
      <Flex gap="3" align="center" style={{ flexWrap: 'wrap' }}>
        <Choice
          label={t('keys.list.state')}
          value={chosen}
          options={CHOICES.map(id => ({
            id,
            label:
              id === 'any' ? t('keys.list.anyState') : t(`shown.state.${id}`),
          }))}
          onChange={id => change({ state: id === 'any' ? undefined : id })}
        />
        <div style={{ flex: '1 1 14rem', maxWidth: '22rem' }}>
          <SearchBox
            label={t('keys.list.search')}
            value={search.q}
            onSearch={q => change({ q })}
          />
        </div>
      </Flex>
      <LoadedRows
        rows={rows}
        empty={
          isNarrowed ? (
            <Empty
              title={t('keys.list.none')}
              action={
                <Button
                  variant="secondary"
                  onPress={() => change({ state: undefined, q: undefined })}
                >
                  {t('keys.list.noneAction')}
                </Button>
              }
            >
              {t('keys.list.noneNext')}
            </Empty>
          ) : (
            <Empty
              title={t('keys.list.empty')}
              action={
                links.apis() && (
                  <ButtonLink href={links.apis()}>
                    {t('keys.list.emptyAction')}
                  </ButtonLink>
                )
              }
            >
              {t('keys.list.emptyNext')}
            </Empty>
          )
        }
      >
        {found => <KeySheet rows={found} />}
      </LoadedRows>
    </Flex>
  );
}
