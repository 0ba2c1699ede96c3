/* Keys as rows: on the page of all, and on the page of one API. */
import { Flex, Text } from '@backstage/ui';
import { useRouteRef } from '@backstage/frontend-plugin-api';
import type { KeyRow } from '@devportal/backstage-plugin-devportal-common';
import {
  Name,
  Quoted,
  Sheet,
  State,
  To,
  When,
  pathOf,
  useWords,
} from '../shown';
import type { Column } from '../shown';
import { keyRouteRef } from '../routes';

/** `of` an API: its name needs not be said again. */
export function KeySheet({ rows, ofOne }: { rows: KeyRow[]; ofOne?: boolean }) {
  const t = useWords();
  const link = useRouteRef(keyRouteRef);
  const columns: Column<KeyRow>[] = [
    {
      id: 'api',
      label: ofOne ? t('keys.list.key') : t('keys.list.api'),
      isMain: true,
      width: '30%',
      cell: ({ namespace, name, product }) => (
        <Flex direction="column" gap="1">
          <To href={link?.({ namespace, name })} weight="bold">
            <Name>{ofOne ? name : product.name}</Name>
          </To>
          <Text variant="body-small" color="secondary">
            <Name>{ofOne ? namespace : pathOf({ namespace, name })}</Name>
          </Text>
        </Flex>
      ),
    },
    {
      id: 'tier',
      label: t('keys.list.tier'),
      cell: ({ tier, askedTier }) => (
        <Flex direction="column" gap="1">
          <Name>{tier}</Name>
          {askedTier !== tier && (
            <Text variant="body-small" color="secondary">
              {t('keys.list.asked', { tier: <bdi>{askedTier}</bdi> })}
            </Text>
          )}
        </Flex>
      ),
    },
    {
      id: 'state',
      label: t('keys.list.state'),
      width: '32%',
      cell: ({ state, enforced, message, canReveal }) => (
        <Flex direction="column" align="start" gap="1">
          <State of={state} enforced={enforced} />
          {canReveal ? (
            <Text variant="body-small">{t('keys.list.waits')}</Text>
          ) : (
            message && <Quoted text={message} lines={2} />
          )}
        </Flex>
      ),
    },
    {
      id: 'expires',
      label: t('keys.list.expires'),
      cell: ({ expiresAt }) => <When at={expiresAt} />,
    },
    {
      id: 'requested',
      label: t('keys.list.requested'),
      cell: ({ created }) => <When at={created} />,
    },
  ];
  return (
    <Sheet
      label={t('keys.list.label')}
      columns={columns}
      rows={rows}
      idOf={pathOf}
    />
  );
}
