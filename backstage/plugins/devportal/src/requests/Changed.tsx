/* Says what is otherwise about a request since somebody opened it. */
import { Alert, Button, Flex, Text } from '@backstage/ui';
import type { Request } from '@devportal/backstage-plugin-devportal-common';
import { Facts, useLanguage, useWords } from '../shown';
import type { Fact } from '../shown';
import { changesApproved } from './decision';

export function Changed({
  seen,
  request,
  onSeen,
}: {
  seen: Request;
  request: Request;
  onSeen: () => void;
}) {
  const t = useWords();
  const language = useLanguage();
  const day = (at?: string | null) =>
    at ? new Date(at).toLocaleString(language) : t('requests.facts.forever');
  const standing = (it: Request) => {
    const state = t(`shown.state.${it.state}`);
    return changesApproved(it)
      ? t('requests.facts.changeWaits', { state })
      : state;
  };
  const compared: [string, string, string][] = [
    [t('requests.facts.plan'), seen.tier, request.tier],
    [
      t('requests.facts.approved'),
      seen.approvedTier ?? '',
      request.approvedTier ?? '',
    ],
    [t('requests.facts.until'), day(seen.expiresAt), day(request.expiresAt)],
    [t('requests.facts.useCase'), seen.useCase ?? '', request.useCase ?? ''],
    [t('requests.facts.state'), standing(seen), standing(request)],
    [t('requests.facts.decided'), seen.message ?? '', request.message ?? ''],
  ];
  const facts = compared
    .filter(([, before, now]) => before !== now)
    .map(
      ([name, before, now]): Fact => [
        name,
        <Flex key={name} direction="column" gap="0">
          <bdi>{now || '–'}</bdi>
          <Text variant="body-small" color="secondary">
            {t('requests.decision.was', { before: <bdi>{before || '–'}</bdi> })}
          </Text>
        </Flex>,
      ],
    );
  return (
    <Alert
      status="warning"
      icon
      role="alert"
      title={t('requests.decision.changed')}
      description={
        <Flex direction="column" gap="3">
          {facts.length > 0 ? (
            <Facts facts={facts} />
          ) : (
            <Text>{t('requests.decision.changedUnseen')}</Text>
          )}
          <Flex>
            <Button size="small" variant="secondary" onPress={onSeen}>
              {t('requests.decision.changedAck')}
            </Button>
          </Flex>
        </Flex>
      }
    />
  );
}
