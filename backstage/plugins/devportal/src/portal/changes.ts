/*
 * What has changed? One stream of names for the whole page. What it names is asked for
 * anew; where it was lost it is taken up again, and what may have been missed is asked
 * for anew, too.
 */
import { createParser } from 'eventsource-parser';
import type { FetchApi } from '@backstage/frontend-plugin-api';

/** One change, as the server tells it. */
export type Change = {
  kind: 'apiproducts' | 'apikeys' | 'apikeyrequests' | 'httproutes';
  namespace: string;
  name: string;
  ended: boolean;
};

/** Who hears of changes. */
export type Listener = {
  onChange(change: Change): void;
  /** Anything may have changed. */
  onReset(): void;
  /** Since when nothing is heard; undefined: the stream is there. */
  onSight(lostSince: Date | undefined): void;
};

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 30_000;

/** A stream that ends sooner is not taken up again without a pause. */
const SETTLED = 5_000;

/** The server says something every 15 s; a stream that is silent for so long is dead. */
const LONGEST_SILENCE = 60_000;

/**
 * Listens until the signal ends it. Whatever happened after `since` is asked for anew when
 * the stream is there.
 */
export async function listen(
  fetchApi: FetchApi,
  listener: Listener,
  signal: AbortSignal,
  since: Date,
): Promise<void> {
  const heard: { last?: string } = {};
  let pause = FIRST_PAUSE;
  let lostSince: Date | undefined = since;
  while (!signal.aborted) {
    try {
      const response = await fetchApi.fetch('plugin://devportal/v1/events', {
        headers: heard.last ? { 'last-event-id': heard.last } : {},
        signal,
      });
      if (!response.ok || !response.body) {
        throw new Error(`the stream answered ${response.status}`);
      }
      if (lostSince) {
        listener.onReset();
      }
      lostSince = undefined;
      listener.onSight(undefined);
      pause = FIRST_PAUSE;
      const begun = Date.now();
      await read(response.body, listener, heard);
      // It ends with each token; the next one tells what was missed.
      if (Date.now() - begun > SETTLED) continue;
    } catch {
      // However it ended, it is taken up again.
    }
    if (signal.aborted) {
      return;
    }
    lostSince ??= new Date();
    listener.onSight(lostSince);
    await sleep(pause, signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  listener: Listener,
  heard: { last?: string },
): Promise<void> {
  const parser = createParser({
    onEvent: event => {
      if (event.id) {
        heard.last = event.id;
      }
      if (event.event === 'reset') {
        listener.onReset();
      } else if (event.event === 'change') {
        listener.onChange(JSON.parse(event.data) as Change);
      }
    },
  });
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await next(reader);
      if (done) {
        return;
      }
      parser.feed(value);
    }
  } finally {
    // Where it has broken by itself there is nothing left to cancel.
    void reader.cancel().catch(() => {});
  }
}

/** What comes next; fails where nothing comes for too long. */
async function next<T>(
  reader: ReadableStreamDefaultReader<T>,
): Promise<ReadableStreamReadResult<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error('the stream has fallen silent')),
      LONGEST_SILENCE,
    );
  });
  try {
    return await Promise.race([reader.read(), silence]);
  } finally {
    clearTimeout(timer);
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
