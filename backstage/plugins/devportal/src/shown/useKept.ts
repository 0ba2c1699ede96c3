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
  const anew = useRef(initial);
  const isGone = useRef(false);
  useEffect(() => {
    anew.current = initial;
  });
  useEffect(() => {
    const tell = (value: unknown) =>
      setState(() => (value === undefined ? anew.current() : (value as T)));
    isGone.current = false;
    // Also what nobody has changed: it may be what somebody saw first.
    kept.hold(name, begun.current, tell);
    return () => {
      isGone.current = true;
      kept.release(name, tell);
    };
  }, [kept, name]);
  const set = useCallback(
    (next: T | ((before: T) => T)) => {
      const changed = (before: T) =>
        typeof next === 'function' ? (next as (it: T) => T)(before) : next;
      if (isGone.current) {
        // An answer came late. What nobody shows must not stay.
        kept.handOver(name, before => changed(before as T));
        return;
      }
      setState(before => {
        const after = changed(before);
        kept.put(name, after);
        return after;
      });
    },
    [kept, name],
  );
  return [state, set];
}
