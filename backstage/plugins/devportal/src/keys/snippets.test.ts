/** @jest-environment node */
import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { Credentials } from '@devportal/backstage-plugin-devportal-common';
import {
  addressOf,
  canBeSent,
  clientCredentials,
  curl,
  snippets,
} from './snippets';
import type { Snippet } from './snippets';

jest.setTimeout(30_000);

const run = promisify(execFile);
const KEY = 'dpk_a$b"c\'d`e-1';

let server: Server;
let origin: string;
let last: IncomingMessage | undefined;

beforeAll(async () => {
  server = createServer((request, response) => {
    last = request;
    response.end(
      request.url === '/token'
        ? '{"token_type": "Bearer", "access_token": "a.b-c_d", "expires_in": 60}'
        : 'let in',
    );
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const RUN: Partial<
  Record<Snippet['id'], (code: string) => [string, string[]]>
> = {
  curl: code => ['sh', ['-c', code]],
  javascript: code => [
    process.execPath,
    ['--input-type=module', '--eval', code],
  ],
  python: code => ['python3', ['-c', code]],
};

async function call(
  id: Snippet['id'],
  credentials: Credentials | null,
  path = '/toys?of=wood&on=%5B1%5D',
) {
  const found = snippets({ url: origin + path, credentials }).find(
    it => it.id === id,
  );
  const [program, args] = RUN[id]!(found!.code);
  last = undefined;
  const { stdout } = await run(program, args, {
    env: { PATH: process.env.PATH, HOME: '/tmp', API_KEY: KEY },
  });
  expect(stdout).toContain('let in');
  const asked = last as IncomingMessage | undefined;
  const url = new URL(asked!.url!, origin);
  expect(url.searchParams.get('of')).toBe('wood');
  return { url, headers: asked!.headers };
}

const HOSTILE = "x-'$(id)";
// Everything that a header's name may be made of.
const STRANGEST = "X!#$%&'*+.^_`|~-1";

describe.each(['curl', 'javascript', 'python'] as const)('%s', id => {
  it('sends the key as a bearer where nothing else is said', async () => {
    const { headers } = await call(id, null);
    expect(headers.authorization).toBe(`Bearer ${KEY}`);
  });

  it.each(['APIKEY', 'it\'s "$API_KEY" `id` \\ {0} %s !x'])(
    'sends the key in the Authorization header after %s',
    async prefix => {
      const { headers } = await call(id, { authorizationHeader: { prefix } });
      expect(headers.authorization).toBe(`${prefix} ${KEY}`);
    },
  );

  it.each(['X-API-Key', STRANGEST])(
    'sends the key in the header %s',
    async name => {
      const { headers } = await call(id, { customHeader: { name } });
      expect(headers[name.toLowerCase()]).toBe(KEY);
    },
  );

  it.each(['api_key', `@${HOSTILE}&a=b#"\\ é\u202e😀`])(
    'sends the key in the query as %s',
    async name => {
      const { url } = await call(id, { queryString: { name } });
      expect(url.searchParams.get(name)).toBe(KEY);
    },
  );

  it.each(['session', STRANGEST])(
    'sends the key in the cookie %s',
    async name => {
      const { headers } = await call(id, { cookie: { name } });
      expect(headers.cookie).toBe(`${name}=${KEY}`);
    },
  );
});

it('has the five languages, and the key in none of them', () => {
  const all = snippets({ url: addressOf('https://toys.example.com/') });
  expect(all.map(it => it.id)).toEqual([
    'curl',
    'javascript',
    'python',
    'go',
    'rust',
  ]);
  all.forEach(it => expect(it.code).toContain('API_KEY'));
});

it('has the value in the shell’s call where it was just shown', async () => {
  const code = curl({ url: `${origin}/{id}?of=wood` }, KEY);
  await run('sh', ['-c', code]);
  expect(last?.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(last?.url).toBe('/{id}?of=wood');
});

it.each<Credentials>([
  { customHeader: { name: 'x: y\r\nz' } },
  { customHeader: { name: '@/etc/passwd' } },
  { customHeader: { name: '' } },
  { authorizationHeader: { prefix: 'a\nb' } },
  { cookie: { name: 'a; b' } },
  { cookie: { name: 'a=b' } },
])('offers nothing for %j, which no client can send', credentials => {
  expect(canBeSent({ url: origin, credentials })).toBe(false);
  expect(snippets({ url: origin, credentials })).toEqual([]);
});

it('writes an address so that it stays one', () => {
  expect(addressOf('https://a"b\u202e.example.com/')).toBe(
    'https://a%22b%E2%80%AE.example.com/',
  );
});

it('calls a host below a wildcard', () => {
  expect(addressOf('http://*.toys.example.com:8080/v1')).toBe(
    'http://HOST.toys.example.com:8080/v1',
  );
});

it('gets a token for a client, and calls with it', async () => {
  const code = clientCredentials(`${origin}/token`, { url: `${origin}/toys` });
  await run('sh', ['-c', code], {
    env: { PATH: process.env.PATH, CLIENT_ID: 'a&b', CLIENT_SECRET: "c'd" },
  });
  expect(last?.headers.authorization).toBe('Bearer a.b-c_d');
});
