import { request as send } from 'node:http';
import { AddressInfo } from 'node:net';
import { mockCredentials } from '@backstage/backend-test-utils';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { operations } from '@devportal/backstage-plugin-devportal-common';
import request from 'supertest';
import { asAlice, startBackend } from './__testUtils__/backend';
import { Portal, startPortal, valuesOf } from './__testUtils__/portal';

type TestBackend = Awaited<ReturnType<typeof startBackend>>;

const all = Object.entries(operations).map(([id, operation]) => ({
  id,
  ...operation,
  address: operation.path
    .replace('{namespace}', 'toystore')
    .replace('{name}', 'toys'),
}));

let portal: Portal;
let allowing: TestBackend;
let denying: TestBackend;

beforeAll(async () => {
  portal = await startPortal();
  const server = { baseUrl: portal.url, token: 'backstage-token' };
  allowing = await startBackend({ server });
  denying = await startBackend({ server, result: AuthorizeResult.DENY });
});

beforeEach(() => {
  portal.arrived.length = 0;
});

afterAll(async () => {
  await allowing.stop();
  await denying.stop();
  await portal.stop();
});

function ask(
  backend: TestBackend,
  { method, address }: { method: string; address: string },
  authorization?: string,
) {
  const verb = method.toLowerCase() as 'get' | 'post' | 'patch' | 'delete';
  const asked = request(backend.server)[verb](`/api/devportal${address}`);
  return authorization ? asked.set('Authorization', authorization) : asked;
}

describe.each(all)('$id', operation => {
  it('is refused to whoever is not signed in', async () => {
    const answer = await ask(allowing, operation);
    expect(answer.status).toBe(401);
    expect(portal.arrived).toEqual([]);
  });

  it('is refused to a service, for which nobody stands', async () => {
    const service = mockCredentials.service.header();
    const answer = await ask(allowing, operation, service);
    expect(answer.status).toBe(403);
    expect(portal.arrived).toEqual([]);
  });

  it('asks for its permission', async () => {
    const answer = await ask(denying, operation, asAlice);
    expect(answer.status).toBe(operation.permission ? 403 : 200);
    expect(portal.arrived).toHaveLength(operation.permission ? 0 : 1);
  });

  it('is passed on as the person who asks', async () => {
    const answer = await ask(allowing, operation, asAlice);
    expect(answer.status).toBe(200);
    const [arrived] = portal.arrived;
    expect([arrived.method, arrived.url]).toEqual([
      operation.method,
      operation.address,
    ]);
    expect(valuesOf(arrived, 'authorization')).toEqual([
      'Bearer backstage-token',
    ]);
    expect(arrived.headers.filter(it => it[0].startsWith('imp'))).toEqual([
      ['impersonate-user', 'backstage:user:default/alice'],
      ['impersonate-group', 'backstage:group:default/consumers'],
      ['impersonate-group', 'backstage:group:default/readers'],
      ['impersonate-extra-devportal.kuadrant.io%2femail', 'alice@example.com'],
    ]);
  });
});

describe('what is not in the table', () => {
  it.each([
    ['GET', '/healthz'],
    ['GET', '/openapi.json'],
    ['GET', '/v1/products/'],
    ['GET', '/V1/products'],
    ['HEAD', '/v1/products'],
    ['PUT', '/v1/products/toystore/toys'],
    ['DELETE', '/v1/keys'],
    ['GET', '/v1/keys/a/b/reveal'],
    ['GET', '/v1/keys/../products'],
    ['GET', '/v1/keys/%2e%2e/products'],
    ['GET', '/v1/keys/./x'],
    ['GET', '/v1/keys/a%2Fb/c'],
    ['GET', '/v1/keys/a/..%2f..%2fhealthz'],
    ['GET', '/v1/keys/a/b%3Fx=1'],
    ['GET', '/v1/keys/a/b%00'],
  ])('%s %s is not there and asks the server nothing', async (method, path) => {
    const { port } = allowing.server.address() as AddressInfo;
    // Not `fetch` or `supertest`, which would mend the address.
    const status = await new Promise(resolve => {
      send(
        {
          port,
          host: '127.0.0.1',
          method,
          path: `/api/devportal${path}`,
          headers: { authorization: asAlice },
        },
        answer => {
          answer.resume();
          resolve(answer.statusCode);
        },
      ).end();
    });
    expect(status).toBe(404);
    expect(portal.arrived).toEqual([]);
  });
});
