import { createServer, ServerResponse } from 'node:http';
import { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { mockServices } from '@backstage/backend-test-utils';
import { EntityProviderMutation } from '@backstage/plugin-catalog-node';
import { PortalServer } from '@devportal/backstage-plugin-devportal-node';
import { Products } from './products';
import { ProductProvider } from './provider';

/** As long as the task lives here. */
const TASK_MS = 300;

/** Plays the portal's server, with these products. */
async function startPortal(names: string[]) {
  const asked: string[] = [];
  const streams = new Set<ServerResponse>();
  const state = {
    names: new Set(names),
    isBroken: false,
    unread: '',
    isSlow: false,
  };
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '', 'http://portal');
    asked.push(`${req.headers['impersonate-user']} ${url.pathname}`);
    if (url.pathname === '/v1/events') {
      res.writeHead(200, { 'content-type': 'text/event-stream' });
      res.write('id: j-1\n\n');
      streams.add(res);
      res.on('close', () => streams.delete(res));
      return;
    }
    if (state.isBroken) {
      res.writeHead(503).end('{}');
      return;
    }
    if (url.pathname === '/v1/products') {
      if (state.isSlow) return;
      const all = [...state.names].sort();
      const at = Number(url.searchParams.get('after') ?? 0);
      const items = all
        .slice(at, at + 2)
        .map(name => ({ namespace: 'n', name }));
      const next = at + 2 < all.length ? String(at + 2) : undefined;
      res.end(JSON.stringify({ items, next }));
      return;
    }
    const [, name, document] =
      /^\/v1\/products\/n\/([^/]+)(\/openapi)?$/.exec(url.pathname) ?? [];
    if (!state.names.has(name)) res.writeHead(404).end('{}');
    else if (document && name === state.unread) {
      res.writeHead(502).end('too large');
    } else if (document) res.end('openapi: 3.1.0');
    else {
      const publishStatus = name === 'draft' ? 'Draft' : 'Published';
      const spec = { displayName: name, targetRef: { name }, publishStatus };
      res.end(JSON.stringify({ namespace: 'n', name, spec, hasOpenapi: true }));
    }
  });
  await new Promise<void>(done => {
    server.listen(0, '127.0.0.1', done);
  });
  const { port } = server.address() as AddressInfo;
  return {
    asked,
    state,
    streams,
    url: `http://127.0.0.1:${port}`,
    send: (event: string, data: unknown) =>
      streams.forEach(it =>
        it.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
      ),
    cut: () => streams.forEach(it => it.destroy()),
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

type Portal = Awaited<ReturnType<typeof startPortal>>;

const change = (name: string, kind = 'apiproducts') => ({
  kind,
  namespace: 'n',
  name,
  ended: false,
});

/** A mutation in short. */
function brief(mutation: EntityProviderMutation) {
  const refs = (all: { entity: { metadata: { name: string } } }[]) =>
    all.map(it => it.entity.metadata.name);
  if (mutation.type === 'full') return { full: refs(mutation.entities) };
  return {
    added: refs(mutation.added),
    removed: mutation.removed.map(it =>
      'entityRef' in it ? it.entityRef : '',
    ),
  };
}

async function until(holds: () => boolean) {
  for (let i = 0; i < 500 && !holds(); i++) await sleep(10);
  expect(holds()).toBe(true);
}

describe('the provider', () => {
  let portal: Portal;
  let stop: AbortController;
  let running: Promise<void>;
  const mutations: ReturnType<typeof brief>[] = [];
  const types: Record<string, unknown> = {};
  const logger = mockServices.logger.mock();

  beforeEach(async () => {
    jest.clearAllMocks();
    mutations.length = 0;
    portal = await startPortal(['a', 'b', 'c', 'draft']);
    const config = mockServices.rootConfig({
      data: { devportal: { server: { baseUrl: portal.url, token: 't' } } },
    });
    stop = new AbortController();
    const provider = new ProductProvider(
      new Products(PortalServer.fromConfig(config), 'backstage:catalog'),
      logger,
      async () => {},
      { first: 20, last: 40 },
      TASK_MS,
    );
    await provider.connect({
      applyMutation: async it => {
        mutations.push(brief(it));
        if (it.type !== 'full') return;
        for (const { entity } of it.entities) {
          types[entity.metadata.name] = entity.spec?.type;
        }
      },
      refresh: async () => {},
    });
    running = provider.run(stop.signal);
    await until(() => mutations.length === 1);
  });

  afterEach(async () => {
    stop.abort();
    await running;
    portal.stop();
  });

  it('listens first, and then lists what is published, page by page', () => {
    expect(mutations).toEqual([{ full: ['a', 'b', 'c'] }]);
    expect(portal.asked.slice(0, 3)).toEqual([
      'backstage:catalog /v1/events',
      'backstage:catalog /v1/products',
      'backstage:catalog /v1/products',
    ]);
  });

  it('fetches a product once that changes several times at once', async () => {
    portal.asked.length = 0;
    portal.state.names.delete('b');
    portal.send('change', change('a', 'apikeys'));
    for (const name of ['a', 'a', 'b', 'a', 'draft']) {
      portal.send('change', change(name));
    }
    await until(() => mutations.length === 2);
    expect(mutations[1]).toEqual({
      added: ['a'],
      removed: ['api:n/b', 'api:n/draft'],
    });
    expect(portal.asked.filter(it => it.endsWith('/n/a'))).toHaveLength(1);
  });

  it('asks for nothing while nothing changes', async () => {
    portal.asked.length = 0;
    await sleep(300);
    expect(portal.asked).toEqual([]);
  });

  it('looks at everything anew when it is told to', async () => {
    portal.state.names.add('d');
    portal.send('reset', {});
    await until(() => mutations.length === 2);
    expect(mutations[1]).toEqual({ full: ['a', 'b', 'c', 'd'] });
  });

  it('comes again after an outage, removes nothing during it and tells of it once', async () => {
    portal.state.isBroken = true;
    portal.asked.length = 0;
    portal.cut();
    await until(
      () => portal.asked.filter(it => it.endsWith('/events')).length > 2,
    );
    expect(mutations).toHaveLength(1);
    expect(logger.warn.mock.calls).toEqual([
      [expect.stringMatching('the stream of changes broke off: .*aborted')],
    ]);
    portal.state.names.delete('a');
    portal.state.isBroken = false;
    await until(() => mutations.length === 2);
    expect(mutations[1]).toEqual({ full: ['b', 'c'] });
    expect(logger.warn).toHaveBeenCalledTimes(1);
    expect(logger.info).toHaveBeenCalledTimes(1);
  });

  it('lists the other products where one’s document cannot be had, and tells of it once', async () => {
    portal.state.unread = 'b';
    portal.send('reset', {});
    await until(() => mutations.length === 2);
    portal.send('reset', {});
    await until(() => mutations.length === 3);
    expect(mutations[2]).toEqual({ full: ['a', 'b', 'c'] });
    expect(types).toMatchObject({ a: 'openapi', b: 'other', c: 'openapi' });
    expect(logger.warn.mock.calls).toEqual([
      [expect.stringMatching(/\(n\/b\): .*502: too large$/)],
    ]);
  });

  it('tells where its time is not enough to list everything', async () => {
    portal.state.isSlow = true;
    portal.send('reset', {});
    const asked = portal.asked.length;
    await until(() => portal.asked.length > asked);
    await sleep(TASK_MS);
    stop.abort();
    await running;
    expect(logger.warn.mock.calls).toEqual([
      [expect.stringMatching('could not be listed within')],
    ]);
    expect(mutations).toHaveLength(1);
  });

  it('leaves the stream when another replica is to follow the portal', async () => {
    stop.abort();
    await running;
    await until(() => portal.streams.size === 0);
    expect(mutations).toHaveLength(1);
  });
});
