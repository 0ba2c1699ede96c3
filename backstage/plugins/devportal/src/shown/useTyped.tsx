/*
 * What somebody types. It stands when its page is left, as to look whether something was
 * done, until it is done or discarded; in memory only, and for nobody else.
 */
import { useCallback, useState } from 'react';
import { Alert, Button } from '@backstage/ui';
import { useApi } from '@backstage/frontend-plugin-api';
import { portalApiRef } from '../portal';
import { useKept } from './useKept';
import { useWords } from './useWords';

type Next<T> = T | ((before: T) => T);

/** As `useKept`; never for what is shown only once. */
export function useTyped<T>(name: string, initial: () => T) {
  const { kept } = useApi(portalApiRef);
  /** Whether it was typed on a visit before this one. */
  const [isBefore, setBefore] = useState(() => kept.wasLeft(name));
  /** `set` notes something about what was typed, and is nothing that is typed. */
  const [typed, set] = useKept(name, initial);
  const type = useCallback(
    (next: Next<T>) => {
      kept.stay(name);
      set(next);
    },
    [kept, name, set],
  );
  /** Also when it is done. */
  const discard = useCallback(() => {
    setBefore(false);
    kept.drop(name);
  }, [kept, name]);
  return { typed, type, set, discard, isBefore };
}

/** Says that a form is filled in with what was typed before, and offers to begin anew. */
export function TypedBefore({
  isSent = false,
  onDiscard,
}: {
  /** Nobody knows whether it was done; sent again it is not done twice. */
  isSent?: boolean;
  onDiscard: () => void;
}) {
  const t = useWords();
  return (
    <Alert
      status="info"
      icon
      title={t('shown.typed.before')}
      description={isSent ? t('shown.typed.sent') : undefined}
      customActions={
        <Button size="small" variant="secondary" onPress={onDiscard}>
          {t('shown.typed.discard')}
        </Button>
      }
    />
  );
}
