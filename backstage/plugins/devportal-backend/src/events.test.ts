import { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import express, { Request, Response } from 'express';
import { mockServices } from '@backstage/backend-test-utils';
import { PortalServer } from '@devportal/backstage-plugin-devportal-node';
import { AddressInfo } from 'node:net';
import { Forwarder } from './forward';
import { asAlice, startBackend } from './__testUtils__/backend';
import { Portal, startPortal, valuesOf } from './__testUtils__/portal';

let portal: Portal;
let streams: ServerResponse[];
let closed: number;

beforeEach(async () => {
  portal = await startPortal();
  streams = [];
  closed = 0;
  portal.answer = (_, res) => {
    res.writeHead(200, { 'content-type': 'text/event-stream' });
    res.write('id: j-1\n\n');
    res.on('close', () => closed++);
    streams.push(res);
  };
});

afterEach(() => portal.stop());

async function readText(body: ReadableStream<Uint8Array> | null) {
  const reader = body!.getReader();
  const { value } = await reader.read();
  return new TextDecoder().decode(value);
}

it('events arrive one by one, uncompressed, and the server hears when the browser leaves', async () => {
  const backend = await startBackend({
    server: { baseUrl: portal.url, token: 't' },
  });
  const { port } = backend.server.address() as AddressInfo;
  const leave = new AbortController();
  const answer = await fetch(
    `http://127.0.0.1:${port}/api/devportal/v1/events`,
    {
      headers: { Authorization: asAlice, 'Last-Event-ID': 'j-0' },
      signal: leave.signal,
    },
  );
  expect(answer.headers.get('content-type')).toBe('text/event-stream');
  expect(answer.headers.get('content-encoding')).toBeNull();
  expect(answer.headers.get('cache-control')).toBe('no-store, no-transform');
  expect(valuesOf(portal.arrived[0], 'last-event-id')).toEqual(['j-0']);
  const [first, second] = answer.body!.tee();
  expect(await readText(first)).toBe('id: j-1\n\n');
  streams[0].write('event: change\nid: j-2\ndata: {}\n\n');
  const reader = second.getReader();
  await reader.read();
  const { value } = await reader.read();
  expect(new TextDecoder().decode(value)).toBe(
    'event: change\nid: j-2\ndata: {}\n\n',
  );
  leave.abort();
  for (let i = 0; i < 100 && closed === 0; i++) await sleep(10);
  expect(closed).toBe(1);
  await backend.stop();
});

/** The stream alone, so that time can be short. */
async function startStream(options: {
  until?: Date;
  stops?: AbortSignal;
  patienceMs?: number;
}) {
  const forwarder = new Forwarder(
    PortalServer.fromConfig(
      mockServices.rootConfig({
        data: { devportal: { server: { baseUrl: portal.url, token: 't' } } },
      }),
    ),
    mockServices.logger.mock(),
    options.stops ?? new AbortController().signal,
    options.patienceMs,
  );
  const app = express();
  app.get('/', (req: Request, res: Response) =>
    forwarder.stream(
      req,
      res,
      { path: '/v1/events', headers: {}, label: 'watchEvents' },
      options.until,
    ),
  );
  const server = app.listen(0, '127.0.0.1');
  await new Promise(resolve => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  return { answer, server };
}

it('a stream ends with the token of whoever listens', async () => {
  const until = new Date(Date.now() + 200);
  const { answer, server } = await startStream({ until });
  await answer.text().catch(() => {});
  expect(Date.now()).toBeGreaterThanOrEqual(until.getTime() - 5);
  for (let i = 0; i < 100 && closed === 0; i++) await sleep(10);
  expect(closed).toBe(1);
  server.close();
});

it('a stream ends when Backstage stops', async () => {
  const stops = new AbortController();
  const { answer, server } = await startStream({ stops: stops.signal });
  expect(streams).toHaveLength(1);
  stops.abort();
  await answer.text().catch(() => {});
  server.close();
});

it('a stream that is opened while Backstage stops ends as well', async () => {
  const stops = new AbortController();
  const { answer: play } = portal;
  portal.answer = (req, res) => {
    stops.abort();
    play(req, res);
  };
  const { answer, server } = await startStream({ stops: stops.signal });
  // Read to its end: a stream that stays open lets the test time out.
  expect(await answer.text().catch(() => '')).not.toContain('data:');
  server.close();
});

it('a stream outlives the time that other answers have', async () => {
  const until = new Date(Date.now() + 400);
  const { answer, server } = await startStream({ until, patienceMs: 100 });
  await answer.text().catch(() => {});
  expect(Date.now()).toBeGreaterThanOrEqual(until.getTime() - 5);
  server.close();
});

it('a stream that the server does not open in time is 503', async () => {
  portal.answer = () => {};
  const { answer, server } = await startStream({ patienceMs: 50 });
  expect(answer.status).toBe(503);
  expect(await answer.json()).toMatchObject({
    error: {
      message:
        'The portal’s server has not answered in 30 seconds. Try again in a moment; if this stays, tell whoever runs the portal.',
    },
  });
  server.close();
});
