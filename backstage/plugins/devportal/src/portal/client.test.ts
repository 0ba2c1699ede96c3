import { dataOf, portalClient } from './client';

/** What Backstage's fetch is given, where it answers with nothing. */
function sender() {
  const sent: RequestInit[] = [];
  const fetch = async (_: unknown, init?: RequestInit) => {
    sent.push(init ?? {});
    return new Response('{}', {
      headers: { 'content-type': 'application/json' },
    });
  };
  return { sent, client: portalClient({ fetch }) };
}

describe('where a browser does not know the body of a request', () => {
  const known = Object.getOwnPropertyDescriptor(Request.prototype, 'body');

  beforeAll(() => {
    Object.defineProperty(Request.prototype, 'body', {
      configurable: true,
      get: () => undefined,
    });
  });

  afterAll(() => {
    if (known) Object.defineProperty(Request.prototype, 'body', known);
  });

  it('reads without one, and writes with it', async () => {
    const { sent, client } = sender();
    await client.GET('/v1/me');
    const path = { namespace: 'toystore', name: 'toys' };
    await client.PATCH('/v1/products/{namespace}/{name}', {
      params: { path },
      body: { spec: { displayName: 'Toys' } },
    });
    await client.DELETE('/v1/products/{namespace}/{name}', {
      params: { path },
    });
    expect(sent.map(it => it.body)).toEqual([
      undefined,
      '{"spec":{"displayName":"Toys"}}',
      undefined,
    ]);
  });
});

it('tells an ended sign-in from a broken connection', async () => {
  const ended = Object.assign(new Error('no session'), { statusCode: 401 });
  await expect(dataOf(Promise.reject(ended))).rejects.toMatchObject({
    status: 401,
    title: 'SignedOut',
  });
  const broken = new TypeError('Failed to fetch');
  await expect(dataOf(Promise.reject(broken))).rejects.toMatchObject({
    status: 0,
  });
});
