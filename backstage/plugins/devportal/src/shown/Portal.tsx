/* The frame of each page and card: the memory of answers, and the stream of changes. */
import { Fragment, useEffect, useSyncExternalStore } from 'react';
import type { ReactNode } from 'react';
import { useApi } from '@backstage/frontend-plugin-api';
import { Alert } from '@backstage/ui';
import { QueryClientProvider } from '@tanstack/react-query';
import { portalApiRef } from '../portal';
import { useLanguage } from './useLanguage';
import { useWords } from './useWords';

const earlier = (one: Date | undefined, other: Date | undefined) =>
  one && other && other < one ? other : one ?? other;

/** Everything inside may ask the portal, and is shown anew when something changes. */
export function Portal({
  children,
  isQuiet,
}: {
  children: ReactNode;
  /** Another part of the page says that the portal cannot be reached. */
  isQuiet?: boolean;
}) {
  const portal = useApi(portalApiRef);
  const t = useWords();
  const language = useLanguage();
  const lostSince = useSyncExternalStore(portal.watch, portal.lostSince);
  const staleSince = useSyncExternalStore(portal.watch, portal.staleSince);
  const person = useSyncExternalStore(portal.watch, portal.person);
  useEffect(() => void portal.meet(), [portal]);
  const since = earlier(lostSince, staleSince);
  return (
    <QueryClientProvider client={portal.queries}>
      {since && !isQuiet && (
        <Alert
          status="warning"
          icon
          mb="4"
          title={t(lostSince ? 'shown.lost' : 'shown.stale', {
            time: since.toLocaleString(language),
          })}
        />
      )}
      <Fragment key={person}>{children}</Fragment>
    </QueryClientProvider>
  );
}
