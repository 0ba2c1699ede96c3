import { sentEvents } from './sse';

async function read(...chunks: (string | Uint8Array)[]) {
  async function* stream() {
    for (const chunk of chunks) {
      yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    }
  }
  const events = [];
  for await (const event of sentEvents(stream())) events.push(event);
  return events;
}

describe('server-sent events', () => {
  it('are read whole, however they were cut', async () => {
    const text = 'id: 1\n\n:\n\nevent: change\nid: 2\ndata: {"a":"ä"}\n\n';
    const bytes = Buffer.from(text);
    const single = Array.from(bytes, byte => new Uint8Array([byte]));
    const expected = [{ event: 'change', data: '{"a":"ä"}' }];
    expect(await read(text)).toEqual(expected);
    expect(await read(...single)).toEqual(expected);
  });

  it('may end their lines as they like', async () => {
    expect(await read('event: a\r\ndata: 1\r', '\ndata:2\r\n\r\n')).toEqual([
      { event: 'a', data: '1\n2' },
    ]);
  });

  it('that are not finished are not told', async () => {
    expect(await read('event: a\ndata: 1\n')).toEqual([]);
  });
});
