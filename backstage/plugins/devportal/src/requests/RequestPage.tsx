/* One request: all that is known about it, and the decision. */
import { useState } from 'react';
import { useRouteRefParams } from '@backstage/frontend-plugin-api';
import {
  Alert,
  Card,
  CardBody,
  CardHeader,
  Flex,
  Grid,
  Text,
} from '@backstage/ui';
import type { Request } from '@devportal/backstage-plugin-devportal-common';
import { useRequest } from '../portal';
import type { Versioned } from '../portal';
import {
  Back,
  Email,
  Facts,
  Loaded,
  Name,
  Page,
  Quoted,
  State,
  To,
  When,
  pathOf,
  sharedLimits,
  useLanguage,
  useLinks,
  useWords,
} from '../shown';
import { requestRouteRef } from '../routes';
import { DecisionForm } from './DecisionForm';
import { Decided } from './Decided';
import type { Outcome } from './Decided';
import { History } from './History';
import { ApprovedTier } from './Tier';

/** A time, and how far away it is. */
function Moment({ at }: { at: string }) {
  const language = useLanguage();
  return (
    <>
      {new Date(at).toLocaleString(language)} (<When at={at} />)
    </>
  );
}

export function RequestPage() {
  const path = useRouteRefParams(requestRouteRef);
  return (
    <Page>
      <OneRequest key={pathOf(path)} path={path} />
    </Page>
  );
}

function OneRequest({ path }: { path: { namespace: string; name: string } }) {
  const t = useWords();
  const links = useLinks();
  const query = useRequest(path);
  return (
    <Flex direction="column" gap="5">
      <Back href={links.requests()}>{t('requests.back')}</Back>
      <Loaded query={query} lines={8}>
        {request => (
          <Grid.Root columns={{ initial: '1', md: '12' }} gap="5">
            <Grid.Item colSpan={{ initial: '1', md: '7' }}>
              <What request={request} />
            </Grid.Item>
            <Grid.Item colSpan={{ initial: '1', md: '5' }}>
              <Decision request={request} />
            </Grid.Item>
          </Grid.Root>
        )}
      </Loaded>
    </Flex>
  );
}

function What({ request }: { request: Request }) {
  const t = useWords();
  const links = useLinks();
  const { requestedBy: by } = request;
  return (
    <Flex direction="column" gap="5">
      <Card>
        <CardHeader>
          <Flex justify="between" align="center" gap="3">
            <Text as="h2" variant="title-x-small" weight="bold">
              {t('requests.facts.heading')}
            </Text>
            <State of={request.state} enforced={request.enforced} />
          </Flex>
        </CardHeader>
        <CardBody>
          <Facts
            facts={[
              [t('requests.facts.who'), <Name>{by.userId}</Name>],
              [t('requests.facts.email'), <Email address={by.email} />],
              [
                t('requests.facts.useCase'),
                request.useCase ? (
                  <Quoted text={request.useCase} />
                ) : (
                  t('requests.noUseCase')
                ),
              ],
              [
                t('requests.facts.product'),
                <To href={links.product(request.product)}>
                  <Name>{pathOf(request.product)}</Name>
                </To>,
              ],
              [t('requests.facts.plan'), <Plan request={request} />],
              [
                t('requests.facts.until'),
                request.expiresAt ? (
                  <Moment at={request.expiresAt} />
                ) : (
                  t('requests.facts.forever')
                ),
              ],
              [t('requests.facts.asked'), <Moment at={request.created} />],
              [t('requests.facts.key'), <Name>{pathOf(request.key)}</Name>],
              [
                t('requests.facts.decided'),
                request.message && <Quoted text={request.message} />,
              ],
            ]}
          />
        </CardBody>
      </Card>
      <History conditions={request.conditions} />
    </Flex>
  );
}

function Plan({ request }: { request: Request }) {
  const t = useWords();
  const language = useLanguage();
  return (
    <>
      <strong>
        <Name>{request.tier}</Name>
      </strong>
      <br />
      {request.limits
        ? sharedLimits(request, t, language)
        : t('requests.unknownLimits')}
      {request.approvedTier && <ApprovedTier tier={request.approvedTier} />}
    </>
  );
}

function Decision({ request }: { request: Versioned<Request> }) {
  const t = useWords();
  const [outcome, setOutcome] = useState<Outcome>();
  if (!request.mayDecide) {
    return (
      <Alert
        status="info"
        icon
        title={t('requests.mayNotDecide')}
        description={t('requests.mayNotDecideNext')}
      />
    );
  }
  return outcome ? (
    <Decided
      outcome={outcome}
      request={request}
      onAgain={() => setOutcome(undefined)}
    />
  ) : (
    <DecisionForm request={request} onDecided={setOutcome} />
  );
}
