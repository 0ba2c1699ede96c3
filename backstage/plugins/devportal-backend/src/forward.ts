import { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { LoggerService } from '@backstage/backend-plugin-api';
import {
  bodyOf,
  PortalServer,
} from '@devportal/backstage-plugin-devportal-node';
import { Request, Response } from 'express';
import { readBody } from './body';
import { refusalOf, refusalWithoutAnswer, refuse } from './problem';

/** Nothing else of a request is passed on, `Authorization` and `Impersonate-*` least of all. */
const ASKED = [
  'content-type',
  'accept',
  'if-match',
  'idempotency-key',
  'last-event-id',
];

/** Nothing else of an answer is passed back. */
const ANSWERED = [
  'content-type',
  'content-security-policy',
  'etag',
  'retry-after',
  'cache-control',
  'location',
  'devportal-stale-since',
  'x-request-id',
];

/** What a browser lets an app of another origin read, besides the content's type. */
const EXPOSED = 'ETag, Retry-After, Devportal-Stale-Since, X-Request-Id';

const PATIENCE_MS = 30_000;
/** The longest that `setTimeout` can wait. */
const LONGEST_MS = 2 ** 31 - 1;

/** Passes requests to the portal's server, and its answers back. */
export class Forwarder {
  constructor(
    private readonly server: PortalServer,
    private readonly logger: LoggerService,
    /** Ends the streams when Backstage stops. */
    private readonly stops: AbortSignal,
    private readonly patienceMs = PATIENCE_MS,
  ) {}

  /** Asks, as `headers` say, for `path`. */
  async forward(
    req: Request,
    res: Response,
    target: { path: string; headers: OutgoingHttpHeaders; label: string },
  ): Promise<void> {
    const { body, refusal } = await readBody(req, res);
    if (refusal) {
      refuse(req, res, refusal);
      return;
    }
    await this.exchange(req, res, target, async answering => {
      const answer = await answering(body);
      const content = await bodyOf(answer);
      passHeaders(answer, res);
      const refused = refusalOf(answer, content);
      if (refused) refuse(req, res, refused);
      else res.status(answer.statusCode ?? 200).end(content);
    });
  }

  /** Asks for a stream of events and passes it on until `until`, or until somebody leaves. */
  async stream(
    req: Request,
    res: Response,
    target: { path: string; headers: OutgoingHttpHeaders; label: string },
    until: Date | undefined,
  ): Promise<void> {
    await this.exchange(req, res, target, async (answering, stop, patience) => {
      const answer = await answering();
      passHeaders(answer, res);
      if (answer.statusCode !== 200) {
        const refused = refusalOf(answer, await bodyOf(answer));
        if (refused) refuse(req, res, refused);
        else res.status(204).end();
        return;
      }
      clearTimeout(patience);
      const left = until ? until.getTime() - Date.now() : LONGEST_MS;
      const end = setTimeout(
        () => stop.abort(),
        Math.max(0, Math.min(left, LONGEST_MS)),
      );
      const ended = AbortSignal.any([stop.signal, this.stops]);
      // `no-transform` keeps Backstage from compressing, which would hold events back.
      res.setHeader('Cache-Control', 'no-store, no-transform');
      res.setHeader('X-Accel-Buffering', 'no');
      res.status(200).flushHeaders();
      try {
        // However it ends, whoever listens comes again with the last id.
        await pipeline(answer, res, { signal: ended }).catch(() => {});
      } finally {
        clearTimeout(end);
        res.end();
      }
    });
  }

  private async exchange(
    req: Request,
    res: Response,
    target: { path: string; headers: OutgoingHttpHeaders; label: string },
    pass: (
      answering: (body?: Buffer) => Promise<IncomingMessage>,
      stop: AbortController,
      patience: NodeJS.Timeout,
    ) => Promise<void>,
  ): Promise<void> {
    const { path, label } = target;
    // Backstage's own CORS may have exposed others already.
    res.append('Access-Control-Expose-Headers', EXPOSED);
    const isRead = req.method === 'GET';
    const headers = { ...askedHeaders(req), ...target.headers };
    const stop = new AbortController();
    let hasTimedOut = false;
    const patience = setTimeout(() => {
      hasTimedOut = true;
      stop.abort();
    }, this.patienceMs);
    // A write goes on: broken off, nobody would know whether it was carried out.
    if (isRead) res.once('close', () => stop.abort());
    const { method } = req;
    const { signal } = stop;
    try {
      await pass(
        body => this.server.ask({ method, path, headers, body, signal }),
        stop,
        patience,
      );
    } catch (error) {
      if (res.destroyed) return;
      const why = error instanceof Error ? error.message : String(error);
      const what = hasTimedOut ? 'no answer in time' : why;
      this.logger.warn(`${label}: the portal's server did not answer: ${what}`);
      if (res.headersSent) res.destroy();
      else
        refuse(req, res, refusalWithoutAnswer(error, { isRead, hasTimedOut }));
    } finally {
      clearTimeout(patience);
    }
  }
}

function askedHeaders(req: Request): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {};
  for (const name of ASKED) {
    const value = req.headers[name];
    if (value !== undefined) headers[name] = value;
  }
  return headers;
}

function passHeaders(answer: IncomingMessage, res: Response): void {
  for (const name of ANSWERED) {
    const value = answer.headers[name];
    if (value !== undefined) res.setHeader(name, value);
  }
}
