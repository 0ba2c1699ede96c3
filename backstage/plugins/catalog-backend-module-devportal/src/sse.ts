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
  let rest = '';
  let event = '';
  let data: string[] = [];
  for await (const chunk of stream) {
    rest += decoder.decode(chunk, { stream: true });
    // A line feed that belongs to the carriage return at the end may still be under way.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) {
          yield { event: event || 'message', data: data.join('\n') };
        }
        event = '';
        data = [];
        continue;
      }
      const [, field, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? [];
      if (field === 'event') event = value;
      else if (field === 'data') data.push(value);
    }
  }
}
