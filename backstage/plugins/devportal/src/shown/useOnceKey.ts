/* One Idempotency-Key for each thing that somebody means: the same again, after an
 * answer was lost, has the same key; something else has another. */
import { useRef } from 'react';

/** A key that nothing else has. */
export const newOnceKey = (): string =>
  // randomUUID is not there where Backstage is served without TLS.
  Array.from(crypto.getRandomValues(new Uint8Array(16)), it =>
    it.toString(16).padStart(2, '0'),
  ).join('');

/** The key for a body. */
export function useOnceKey(): (body: unknown) => string {
  const last = useRef({ body: '', key: '' });
  return body => {
    const text = JSON.stringify(body);
    if (last.current.body !== text) {
      last.current = { body: text, key: newOnceKey() };
    }
    return last.current.key;
  };
}
