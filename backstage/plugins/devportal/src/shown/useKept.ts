/*
 * State that outlives a remount. Backstage mounts the whole app anew when the theme
 * changes, as it does by itself at dusk: what was typed, and a value that is shown once,
 * must not be lost by that.
 */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useApi } from '@backstage/frontend-plugin-api';
import { portalApiRef } from '../portal';

/** As `useState`, under a name that nothing else on the page has. */
export function useKept<T>(
  name: string,
  initial: () => T,
): [T, (next: T | ((before: T) => T)) => void] {
  const { kept } = useApi(portalApiRef);
  const [state, setState] = useState<T>(() => kept.find<T>(name) ?? initial());
  const begun = useRef(state);
  useEffect(() => {
    // Also what nobody has changed: it may be what somebody saw first.
    kept.hold(name, begun.current);
    return () => kept.release(name);
  }, [kept, name]);
  const set = useCallback(
    (next: T | ((before: T) => T)) =>
      setState(before => {
        const after =
          typeof next === 'function' ? (next as (it: T) => T)(before) : next;
        kept.put(name, after);
        return after;
      }),
    [kept, name],
  );
  return [state, set];
}
