import request from 'supertest';
import { asAlice, startBackend } from './__testUtils__/backend';
import { Portal, startPortal } from './__testUtils__/portal';

type TestBackend = Awaited<ReturnType<typeof startBackend>>;

let portal: Portal;
let backend: TestBackend;

beforeAll(async () => {
  portal = await startPortal();
  backend = await startBackend({
    server: { baseUrl: portal.url, token: 'backstage-token' },
  });
});

afterAll(async () => {
  await backend.stop();
  await portal.stop();
});

const ask = (method: 'get' | 'post' = 'get') =>
  request(backend.server)
    [method]('/api/devportal/v1/keys')
    .set('Authorization', asAlice);

function answerWith(status: number, title: string) {
  portal.answer = (_, res) => {
    res.writeHead(status, {
      'content-type': 'application/problem+json',
      'retry-after': '3',
      'x-request-id': 'abc',
    });
    const causes = [{ field: 'email', message: 'give one' }];
    const detail = 'email: give one';
    res.end(
      JSON.stringify({ status, title, detail, causes, requestId: 'abc' }),
    );
  };
}

it.each([
  [400, 'BadRequest', 'InputError'],
  [403, 'OwnRequest', 'NotAllowedError'],
  [404, 'NotFound', 'NotFoundError'],
  [409, 'TermsChanged', 'ConflictError'],
  [410, 'ShownAlready', 'ConflictError'],
  [412, 'Changed', 'ConflictError'],
  [422, 'Invalid', 'InputError'],
  [429, 'TooManyStreams', 'Error'],
  [500, 'Mistake', 'Error'],
  [503, 'Unavailable', 'ServiceUnavailableError'],
])(
  'a problem with status %d, %s, is told in Backstage’s form as %s, in the server’s words',
  async (status, title, name) => {
    answerWith(status, title);
    const answer = await ask();
    expect(answer.status).toBe(status);
    expect(answer.body).toEqual({
      error: {
        name,
        message: 'email: give one',
        title,
        causes: [{ field: 'email', message: 'give one' }],
        requestId: 'abc',
      },
      request: { method: 'GET', url: '/v1/keys' },
      response: { statusCode: status },
    });
    expect(answer.headers['content-type']).toMatch('application/json');
    expect(answer.headers['retry-after']).toBe('3');
    expect(answer.headers['x-request-id']).toBe('abc');
  },
);

it('that Backstage’s own token is not accepted is not told as if the person had to sign in', async () => {
  answerWith(401, 'Unauthorized');
  const answer = await ask();
  expect(answer.status).toBe(503);
  expect(answer.body.error.message).toMatch('Backstage’s own token');
});

it('an error that something else answered does not show what that was', async () => {
  portal.answer = (_, res) => {
    res.writeHead(502, { 'content-type': 'text/html' }).end('<h1>mesh</h1>');
  };
  const answer = await ask();
  expect(answer.status).toBe(502);
  expect(answer.body.error.title).toBe('BadAnswer');
  expect(answer.text).not.toMatch('mesh');
});

it('a redirect is not followed', async () => {
  portal.arrived.length = 0;
  portal.answer = (_, res) => {
    res.writeHead(302, { location: `${portal.url}/v1/me` }).end();
  };
  const answer = await ask();
  expect(answer.status).toBe(503);
  expect(portal.arrived).toHaveLength(1);
});

it('an answer that breaks off is no answer', async () => {
  portal.answer = (_, res) => {
    res.writeHead(200, { 'content-length': '100' });
    res.write('{"items":');
    setTimeout(() => res.destroy(), 20);
  };
  const answer = await ask();
  expect(answer.status).toBe(503);
  expect(answer.body.error.message).toMatch('Try again in a moment');
});

it('a write does not fail because a connection that was kept is closed', async () => {
  const used = new Set<unknown>();
  portal.answer = (req, res) => {
    if (used.has(req.socket)) req.socket.destroy();
    else res.end('{}');
    used.add(req.socket);
  };
  expect((await ask('get')).status).toBe(200);
  expect((await ask('post')).status).toBe(200);
  expect((await ask('post')).status).toBe(200);
});

it('a write that nobody answered may have been carried out', async () => {
  portal.answer = (_, res) => res.destroy();
  const answer = await ask('post');
  expect(answer.status).toBe(503);
  expect(answer.body.error.message).toMatch('look before you try again');
});

it('a server that is away is 503 and tells neither address nor token', async () => {
  const alone = await startBackend({
    server: { baseUrl: 'http://127.0.0.1:1', token: 'backstage-token' },
  });
  const answer = await request(alone.server)
    .post('/api/devportal/v1/keys')
    .set('Authorization', asAlice);
  await alone.stop();
  expect(answer.status).toBe(503);
  expect(answer.body.error).toEqual({
    name: 'ServiceUnavailableError',
    title: 'Unavailable',
    message:
      'The portal’s server cannot be reached. Try again in a moment; if this stays, tell whoever runs the portal.',
  });
  expect(answer.headers['retry-after']).toBe('5');
  expect(answer.text).not.toMatch(/127\.0\.0\.1|backstage-token/);
});

it('a token that cannot be read is 503 and does not tell where it should be', async () => {
  const alone = await startBackend({
    server: { baseUrl: portal.url, tokenFile: '/nowhere/token' },
  });
  const answer = await request(alone.server)
    .get('/api/devportal/v1/keys')
    .set('Authorization', asAlice);
  await alone.stop();
  expect(answer.status).toBe(503);
  expect(answer.text).not.toMatch('nowhere');
});
