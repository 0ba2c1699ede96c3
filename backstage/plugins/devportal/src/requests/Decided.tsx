/* What was decided just now, and where to go from here. */
import { Alert, Button, ButtonLink, Flex } from '@backstage/ui';
import type {
  Decision,
  Request,
} from '@devportal/backstage-plugin-devportal-common';
import { useRequests } from '../portal';
import { useLinks, useWords } from '../shown';

export type Outcome = Decision;

export function Decided({
  outcome,
  request,
  onAgain,
}: {
  outcome: Outcome;
  request: Request;
  onAgain: () => void;
}) {
  const t = useWords();
  const links = useLinks();
  const waiting = useRequests({ waiting: true });
  // The list may not have heard of the decision yet.
  const next = waiting.data?.find(
    it => it.name !== request.name || it.namespace !== request.namespace,
  );
  return (
    <Flex direction="column" gap="4">
      <Alert
        status="success"
        icon
        role="status"
        title={t(
          `requests.decision.${
            outcome.approved ? 'doneApproved' : 'doneDenied'
          }`,
        )}
        description={t('requests.decision.doneNote', {
          by: outcome.reviewedBy,
        })}
      />
      <Flex gap="3">
        {next && links.request(next) && (
          <ButtonLink variant="primary" href={links.request(next)}>
            {t('requests.decision.next')}
          </ButtonLink>
        )}
        {links.requests() && (
          <ButtonLink variant="secondary" href={links.requests()}>
            {t('requests.back')}
          </ButtonLink>
        )}
        <Button variant="tertiary" onPress={onAgain}>
          {t('requests.decision.again')}
        </Button>
      </Flex>
    </Flex>
  );
}
