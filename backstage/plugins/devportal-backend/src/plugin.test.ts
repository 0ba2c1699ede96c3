import { mkdtemp, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import request from 'supertest';
import { asAlice, startBackend } from './__testUtils__/backend';
import { Portal, startPortal, valuesOf } from './__testUtils__/portal';

type TestBackend = Awaited<ReturnType<typeof startBackend>>;

const KEY = '/api/devportal/v1/keys/consumer/mine';

let portal: Portal;
let backend: TestBackend;

beforeEach(async () => {
  portal = await startPortal();
  backend = await startBackend({
    server: { baseUrl: `${portal.url}/`, token: 'backstage-token' },
  });
});

afterEach(async () => {
  await backend.stop();
  await portal.stop();
});

describe('a request', () => {
  it('loses every header that could make it somebody else’s', async () => {
    await request(backend.server)
      .get(KEY)
      .set('Authorization', asAlice)
      .set('Impersonate-User', 'root')
      .set('impersonate-group', 'system:masters')
      .set('IMPERSONATE-UID', '0')
      .set('Impersonate-Extra-Scopes', 'all')
      .set('X-Remote-User', 'root')
      .set('Cookie', 'a=b')
      .set('X-Forwarded-For', '10.0.0.1');
    const names = portal.arrived[0].headers.map(([name]) => name);
    expect(names.sort()).toEqual([
      'authorization',
      'connection',
      'host',
      'impersonate-extra-devportal.kuadrant.io%2femail',
      'impersonate-group',
      'impersonate-group',
      'impersonate-user',
    ]);
    expect(valuesOf(portal.arrived[0], 'impersonate-user')).toEqual([
      'backstage:user:default/alice',
    ]);
  });

  it('arrives with its query, its body and the headers that mean something', async () => {
    const text = '{"useCase": "für Spielzeug"  }';
    await request(backend.server)
      .post('/api/devportal/v1/keys?a=1&b=%2F..&a=2')
      .set('Authorization', asAlice)
      .set('Content-Type', 'application/json')
      .set('Idempotency-Key', 'once')
      .set('If-Match', '"7"')
      .send(text);
    const [arrived] = portal.arrived;
    expect(arrived.url).toBe('/v1/keys?a=1&b=%2F..&a=2');
    expect(arrived.body.toString('utf8')).toBe(text);
    expect(valuesOf(arrived, 'content-type')).toEqual(['application/json']);
    expect(valuesOf(arrived, 'idempotency-key')).toEqual(['once']);
    expect(valuesOf(arrived, 'if-match')).toEqual(['"7"']);
  });

  it('is refused where its body is longer than the server takes', async () => {
    const send = (length: number) =>
      request(backend.server)
        .post('/api/devportal/v1/keys')
        .set('Authorization', asAlice)
        .set('Content-Type', 'application/json')
        .send('x'.repeat(length));
    expect((await send(256 * 1024)).status).toBe(200);
    const answer = await send(256 * 1024 + 1);
    expect(answer.status).toBe(413);
    expect(answer.body.error).toMatchObject({
      name: 'InputError',
      message: 'What you sent is too long: at most 256 KiB are taken.',
    });
    expect(portal.arrived).toHaveLength(1);
  });
});

describe('an answer', () => {
  it('comes back with the headers that are the portal’s, and no others', async () => {
    portal.answer = (_, res) => {
      res.writeHead(201, {
        'content-type': 'application/json',
        etag: '"8"',
        'cache-control': 'no-store',
        'devportal-stale-since': '2026-11-28T01:32:16Z',
        'x-request-id': 'abc',
        'content-security-policy': "default-src 'none'; sandbox",
        'set-cookie': 'a=b',
        server: 'upstream',
      });
      res.end('{"value":"dpk_1"}');
    };
    const answer = await request(backend.server)
      .post(`${KEY}/reveal`)
      .set('Authorization', asAlice);
    expect(answer.status).toBe(201);
    expect(answer.text).toBe('{"value":"dpk_1"}');
    expect(answer.headers).toMatchObject({
      etag: '"8"',
      'cache-control': 'no-store',
      'devportal-stale-since': '2026-11-28T01:32:16Z',
      'x-request-id': 'abc',
      'content-security-policy': "default-src 'none'; sandbox",
    });
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.headers).not.toHaveProperty('server');
  });

  it('has headers that an app of another origin may read', async () => {
    const answer = await request(backend.server)
      .get(KEY)
      .set('Authorization', asAlice);
    expect(answer.headers['access-control-expose-headers']).toBe(
      'ETag, Retry-After, Devportal-Stale-Since, X-Request-Id',
    );
  });

  it('exposes also what Backstage exposes', async () => {
    const behindCors = createServer((req, res) => {
      res.setHeader('Access-Control-Expose-Headers', 'X-Other');
      backend.server.emit('request', req, res);
    });
    const answer = await request(behindCors)
      .get(KEY)
      .set('Authorization', asAlice);
    expect(answer.headers['access-control-expose-headers']).toBe(
      'X-Other, ETag, Retry-After, Devportal-Stale-Since, X-Request-Id',
    );
  });

  it('without content stays without', async () => {
    portal.answer = (_, res) => {
      res.writeHead(204).end();
    };
    const answer = await request(backend.server)
      .delete(KEY)
      .set('Authorization', asAlice);
    expect(answer.status).toBe(204);
    expect(answer.text).toBe('');
  });
});

describe('the token', () => {
  it('is read again when Kubernetes has replaced it', async () => {
    const tokenFile = join(await mkdtemp(join(tmpdir(), 'portal-')), 'token');
    await writeFile(tokenFile, 'first\n');
    const rotating = await startBackend({
      server: { baseUrl: portal.url, tokenFile },
    });
    const ask = () =>
      request(rotating.server).get(KEY).set('Authorization', asAlice);
    await ask();
    await writeFile(tokenFile, 'second\n');
    await utimes(tokenFile, new Date(), new Date(Date.now() + 5000));
    await ask();
    await rotating.stop();
    expect(portal.arrived.map(it => valuesOf(it, 'authorization'))).toEqual([
      ['Bearer first'],
      ['Bearer second'],
    ]);
  });

  it('keeps the backend from starting where it is given twice or not at all', async () => {
    const baseUrl = portal.url;
    await expect(startBackend({ server: { baseUrl } })).rejects.toThrow();
    await expect(
      startBackend({ server: { baseUrl, token: 'a', tokenFile: 'b' } }),
    ).rejects.toThrow();
  });
});
