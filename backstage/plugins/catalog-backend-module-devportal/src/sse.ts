import { createParser } from 'eventsource-parser';

/** One event of a stream of server-sent events. */
export interface SentEvent {
  event: string;
  data: string;
}

/** Reads `text/event-stream`. Comments and events without data, which only keep the connection, are passed over. */
export async function* sentEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<SentEvent> {
  const decoder = new TextDecoder();
  const told: SentEvent[] = [];
  const parser = createParser({
    onEvent: ({ event = 'message', data }) => {
      told.push({ event, data });
    },
  });
  for await (const chunk of stream) {
    parser.feed(decoder.decode(chunk, { stream: true }));
    yield* told.splice(0);
  }
}
