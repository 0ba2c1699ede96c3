/*
 * The decision on a request. It counts for what its reader has seen: when the request
 * changes meanwhile they look again first, and lose nothing of what they typed.
 */
import { useEffect, useState } from 'react';
import type { ReactNode } from 'react';
import {
  Alert,
  Button,
  Card,
  CardBody,
  CardHeader,
  Flex,
  Radio,
  RadioGroup,
  Text,
} from '@backstage/ui';
import type {
  Decision,
  NewDecision,
  Request,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf, useWrite } from '../portal';
import type { PortalError, Versioned } from '../portal';
import {
  Field,
  Problem,
  TypedBefore,
  pathOf,
  useTyped,
  useWords,
  wrongWith,
} from '../shown';
import { Changed } from './Changed';
import { Less } from './Less';
import {
  changesApproved,
  decisionOf,
  hasChanged,
  isOnlyNoted,
  missingIn,
} from './decision';
import type { Draft, Way } from './decision';

const FIELDS = ['planTier', 'expiresAt', 'message'];

function useDecide({ namespace, name, etag }: Versioned<Request>) {
  return useWrite(
    (client, body: NewDecision): Promise<Decision> =>
      dataOf(
        client.POST('/v1/requests/{namespace}/{name}/decision', {
          params: {
            path: { namespace, name },
            // What somebody else has just decided shows in the version first.
            header: { 'If-Match': etag },
          },
          body,
        }),
      ),
    'requests',
    'products',
    'keys',
    'me',
  );
}

const verbOf = (way: Way | undefined, { state }: Request) => {
  if (way !== 'deny') return way ?? 'approve';
  return state === 'Approved' ? 'revoke' : 'deny';
};

export function DecisionForm({
  request,
  onDecided,
}: {
  request: Versioned<Request>;
  onDecided: (decision: Decision) => void;
}) {
  const t = useWords();
  const { typed, type, set, discard, isBefore } = useTyped<{
    /** What it counts for. */
    seen: Versioned<Request>;
    draft: Draft;
  }>(`decision ${pathOf(request)}`, () => ({
    seen: request,
    draft: { message: '' },
  }));
  const { seen, draft } = typed;
  const [isTried, setTried] = useState(false);
  const [sent, setSent] = useState<Draft>();
  const decide = useDecide(seen);
  const isNoted = isOnlyNoted(seen, request);
  useEffect(() => {
    if (isNoted) set(before => ({ ...before, seen: request }));
  }, [isNoted, request, set]);
  // What the server saw as a change need not be one of what is shown.
  const isRefused =
    decide.error?.isOvertaken && seen.etag !== request.etag && !isNoted;
  const isOld = hasChanged(seen, request) || isRefused;
  const missing = missingIn(draft);
  const change = (changes: Partial<Draft>) => {
    type(before => ({ ...before, draft: { ...before.draft, ...changes } }));
  };
  const send = () => {
    setTried(true);
    if (!draft.way || missing || isOld || decide.isPending) return;
    setSent(draft);
    void decide.mutateAsync(decisionOf(draft, seen)).then(
      decision => {
        // Whoever decides again begins with what is there then.
        discard();
        onDecided(decision);
      },
      // The form shows it.
      () => {},
    );
  };
  const wrong = (field: 'planTier' | 'expiresAt' | 'message') =>
    sent === draft ? wrongWith(decide.error, field) : undefined;
  const noReason =
    isTried && missing === 'reasonMissing'
      ? t('requests.decision.reasonMissing')
      : undefined;
  const isDenial = draft.way === 'deny';
  return (
    <Card>
      <CardHeader>
        <Text as="h2" variant="title-x-small" weight="bold">
          {t('requests.decision.heading')}
        </Text>
      </CardHeader>
      <CardBody>
        <form
          noValidate
          onSubmit={event => {
            event.preventDefault();
            send();
          }}
        >
          <Flex direction="column" gap="5">
            {isBefore && <TypedBefore onDiscard={discard} />}
            {changesApproved(request) && <Approved request={request} />}
            <Ways request={request} draft={draft} onChange={change} />
            {draft.way === 'less' && (
              <Less
                request={request}
                draft={draft}
                onChange={change}
                isMissing={isTried && missing === 'lessMissing'}
                wrongTier={wrong('planTier')}
                wrongEnd={wrong('expiresAt')}
              />
            )}
            {draft.way && (
              <Field
                isLong
                isRequired={isDenial}
                label={t(
                  `requests.decision.${isDenial ? 'reason' : 'message'}`,
                )}
                description={t('requests.decision.read', {
                  who: request.requestedBy.userId,
                })}
                value={draft.message}
                onChange={message => change({ message })}
                wrong={noReason ?? wrong('message')}
              />
            )}
            {isOld && (
              <Changed
                seen={seen}
                request={request}
                onSeen={() => set(it => ({ ...it, seen: request }))}
              />
            )}
            {decide.error && <Refused error={decide.error} />}
            <Button
              type="submit"
              variant="primary"
              destructive={isDenial}
              isDisabled={!draft.way || isOld}
              isPending={decide.isPending}
            >
              {t(`requests.decision.${verbOf(draft.way, request)}`)}
            </Button>
          </Flex>
        </form>
      </CardBody>
    </Card>
  );
}

/** What is in force while a change of it waits. */
function Approved({ request }: { request: Request }) {
  const t = useWords();
  const tier = request.approvedTier ?? request.tier;
  const words: Partial<Record<Request['state'], ReactNode>> = {
    Approved: t('requests.decision.changesApproved', {
      tier: <bdi>{tier}</bdi>,
    }),
    Expired: t('requests.decision.changesExpired'),
  };
  return (
    <Alert
      status="info"
      icon
      title={t('requests.decision.changes')}
      description={words[request.state]}
    />
  );
}

function Ways({
  request,
  draft,
  onChange,
}: {
  request: Request;
  draft: Draft;
  onChange: (changes: Partial<Draft>) => void;
}) {
  const t = useWords();
  const isApproved = request.state === 'Approved';
  return (
    <RadioGroup
      label={t('requests.decision.choose')}
      description={
        draft.way === 'deny' && isApproved
          ? t('requests.decision.revokeNote')
          : undefined
      }
      value={draft.way ?? null}
      onChange={way => onChange({ way: way as Way })}
    >
      <Radio value="approve">{t('requests.decision.approveAs')}</Radio>
      <Radio value="less">{t('requests.decision.less')}</Radio>
      <Radio value="deny">
        {t(`requests.decision.${isApproved ? 'revoke' : 'deny'}`)}
      </Radio>
    </RadioGroup>
  );
}

/** Why the server did not take the decision, and what that means here. */
function Refused({ error }: { error: PortalError }) {
  const t = useWords();
  return (
    <Flex direction="column" gap="3">
      <Problem
        isWrite
        error={error}
        without={FIELDS.flatMap(it => [it, `spec.${it}`])}
      />
      {error.title === 'OwnRequest' && (
        <Alert
          status="info"
          icon
          title={t('requests.decision.own')}
          description={t('requests.decision.ownNext')}
        />
      )}
      {error.isOvertaken && (
        <Text color="secondary">{t('requests.decision.kept')}</Text>
      )}
    </Flex>
  );
}
