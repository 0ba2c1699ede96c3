/* An answer on its way, there, missing or old: every page shows these the same way. */
import type { ReactNode } from 'react';
import { Button, Flex, Skeleton, Text, VisuallyHidden } from '@backstage/ui';
import type { UseQueryResult } from '@tanstack/react-query';
import { fetchMore } from '../portal';
import type { PortalError, Rows } from '../portal';
import { Problem } from './Problem';
import { useWords } from './useWords';

/** Lines of grey, announced as loading. */
export function Loading({ lines = 4 }: { lines?: number }) {
  const t = useWords();
  return (
    <Flex
      direction="column"
      gap="3"
      role="status"
      aria-label={t('shown.loading')}
    >
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} width="100%" height={28} rounded />
      ))}
    </Flex>
  );
}

/** Nothing is there: says so, and what to do next. */
export function Empty({
  title,
  children,
  action,
}: {
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}) {
  return (
    <Flex direction="column" align="center" gap="2" py="8" px="4">
      {/* No heading: there is nothing under it, and it stands at any depth. */}
      <Text
        as="p"
        variant="title-x-small"
        weight="bold"
        style={{ textAlign: 'center' }}
      >
        {title}
      </Text>
      <Text color="secondary" style={{ textAlign: 'center', maxWidth: 480 }}>
        {children}
      </Text>
      {action}
    </Flex>
  );
}

/** One object. What was there stays while it is asked for anew, also in vain. */
export function Loaded<T>({
  query,
  lines,
  children,
}: {
  query: UseQueryResult<T, PortalError>;
  lines?: number;
  children: (data: T) => ReactNode;
}) {
  if (query.data === undefined && !query.error) {
    return <Loading lines={lines} />;
  }
  return (
    <Flex direction="column" gap="4">
      {query.error && (
        <Problem error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.data !== undefined && children(query.data)}
    </Flex>
  );
}

/** What was asked for before, until what is asked for now is there. */
const OLD = { opacity: 0.5 };

/** The rows of a list, with what to do where there are none, and a button for more. */
export function LoadedRows<T>({
  rows,
  empty,
  children,
}: {
  rows: Rows<T>;
  empty: ReactNode;
  children: (rows: T[]) => ReactNode;
}) {
  const t = useWords();
  const isOld = rows.isPlaceholderData;
  return (
    <Loaded query={rows as UseQueryResult<T[], PortalError>}>
      {data => (
        <>
          {isOld && data.length === 0 ? (
            <Loading />
          ) : (
            <div aria-busy={isOld} style={isOld ? OLD : undefined}>
              {isOld && (
                <VisuallyHidden role="status">
                  {t('shown.loading')}
                </VisuallyHidden>
              )}
              {data.length === 0 ? empty : children(data)}
            </div>
          )}
          {rows.hasNextPage && (
            <Flex justify="center">
              <Button
                variant="secondary"
                isPending={rows.isFetchingNextPage}
                onPress={() => void fetchMore(rows)}
              >
                {t('shown.more')}
              </Button>
            </Flex>
          )}
        </>
      )}
    </Loaded>
  );
}
