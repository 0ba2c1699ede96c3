/* What went wrong, in the server's words, and what to do next. */
import { Alert, Button, Flex, Text } from '@backstage/ui';
import type { PortalError } from '../portal';
import { useWords } from './useWords';

/** Which kind of problem an error is. */
function kindOf({ status, isOvertaken, isUsed }: PortalError) {
  switch (status) {
    case 0:
      return 'unreachable';
    case 401:
      return 'signedOut';
    case 403:
      return 'forbidden';
    case 404:
      return 'notFound';
    case 409:
    case 412:
      if (isUsed) return 'used';
      return isOvertaken ? 'conflict' : 'notDone';
    case 410:
      return 'gone';
    case 400:
    case 413:
    case 422:
      return 'refused';
    case 429:
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return 'other';
  }
}

/** Reads are tried again by themselves; writes never are, and may have been carried out. */
function nextOf(kind: ReturnType<typeof kindOf>, isWrite: boolean) {
  switch (kind) {
    case 'notDone':
      // The server's own words say what to do.
      return undefined;
    case 'unreachable':
    case 'unavailable':
    case 'other':
      return isWrite ? (`written.${kind}` as const) : kind;
    default:
      return kind;
  }
}

/** The problem; causes that a form shows at their fields are left out by `without`. */
export function Problem({
  error,
  isWrite = false,
  onRetry,
  without = [],
}: {
  error: PortalError;
  /** Something was to be changed. */
  isWrite?: boolean;
  onRetry?: () => void;
  without?: string[];
}) {
  const t = useWords();
  const kind = kindOf(error);
  const next = nextOf(kind, isWrite);
  const causes = error.causes.filter(
    it =>
      it.message !== error.message && !(it.field && without.includes(it.field)),
  );
  return (
    <Alert
      status="danger"
      icon
      role="alert"
      title={t(`shown.problem.${kind}`)}
      description={
        <Flex direction="column" gap="1">
          <Text style={{ overflowWrap: 'anywhere' }}>{error.message}</Text>
          {causes.map(it => (
            <Text key={`${it.field}${it.message}`}>
              {it.field ? `${it.field}: ${it.message}` : it.message}
            </Text>
          ))}
          {next && <Text>{t(`shown.next.${next}`)}</Text>}
          {error.requestId && error.status >= 500 && (
            <Text variant="body-small" color="secondary">
              {t('shown.requestId', { id: error.requestId })}
            </Text>
          )}
        </Flex>
      }
      customActions={
        onRetry && (
          <Button size="small" variant="secondary" onPress={onRetry}>
            {t('shown.retry')}
          </Button>
        )
      }
    />
  );
}
