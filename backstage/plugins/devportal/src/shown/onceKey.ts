/* One Idempotency-Key for each thing that somebody means: the same again, after an
 * answer was lost, has the same key; something else has another. */

/** A key that nothing else has. */
export const newOnceKey = (): string =>
  // randomUUID is not there where Backstage is served without TLS.
  Array.from(crypto.getRandomValues(new Uint8Array(16)), it =>
    it.toString(16).padStart(2, '0'),
  ).join('');

/** What was sent last, and with which key. */
export type Once = { body: string; key: string };

/** The key for a body, which is the last one's where it is the same. */
export function onceFor(last: Once | undefined, body: unknown): Once {
  const text = JSON.stringify(body);
  return last?.body === text ? last : { body: text, key: newOnceKey() };
}
