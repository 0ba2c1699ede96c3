/* What a key is for, and until when. */
import { Flex } from '@backstage/ui';
import type { Key } from '@devportal/backstage-plugin-devportal-common';
import {
  Facts,
  Name,
  Quoted,
  When,
  sharedLimits,
  useLanguage,
  useWords,
} from '../shown';

export function KeyFacts({ of: key }: { of: Key }) {
  const t = useWords();
  const language = useLanguage();
  const { tier, askedTier, limits, namespace, secret } = key;
  return (
    <Facts
      facts={[
        [t('keys.one.plan'), <Name>{tier}</Name>],
        [
          t('keys.one.askedTier'),
          askedTier !== tier && <Name>{askedTier}</Name>,
        ],
        [
          t('keys.one.limits'),
          limits && <bdi>{sharedLimits({ tier, limits }, t, language)}</bdi>,
        ],
        [t('keys.one.expires'), <When at={key.expiresAt} />],
        [t('keys.one.values'), <Values of={key} />],
        [
          t('keys.one.useCase'),
          key.useCase ? <Quoted text={key.useCase} /> : t('keys.one.noUseCase'),
        ],
        [t('keys.one.requested'), <When at={key.created} />],
        [t('keys.one.requestedBy'), <Name>{key.requestedBy.userId}</Name>],
        [t('keys.one.hostname'), key.hostname && <Name>{key.hostname}</Name>],
        [
          t('keys.one.delivery'),
          key.delivery === 'Once'
            ? t('keys.one.once')
            : t(secret ? 'keys.one.secret' : 'keys.one.secretLater', {
                secret: <bdi>{secret}</bdi>,
                namespace: <bdi>{namespace}</bdi>,
              }),
        ],
      ]}
    />
  );
}

function Values({ of: { values } }: { of: Key }) {
  const t = useWords();
  if (values.length === 0) return <>{t('keys.one.noValues')}</>;
  return (
    <Flex direction="column" gap="1">
      {values.map(({ revision, createdAt, endsAt }) => (
        <span key={revision}>
          {t('keys.one.value', { revision: String(revision) })}
          {' · '}
          {createdAt && (
            <>
              {t('keys.one.valueMade', { when: <When at={createdAt} /> })}
              {' · '}
            </>
          )}
          {endsAt
            ? t('keys.one.valueEnds', { when: <When at={endsAt} /> })
            : t('keys.one.valueStays')}
        </span>
      ))}
    </Flex>
  );
}
