import http, { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import { Config } from '@backstage/config';
import { tokenSource, TokenSource } from './token';

/** What is asked of the portal's server. */
export interface Question {
  method: string;
  /** Path and query, already encoded. */
  path: string;
  headers?: OutgoingHttpHeaders;
  body?: Buffer;
  /** Breaks the request off, and the answer too while it is being read. */
  signal?: AbortSignal;
}

/** Backstage's own token cannot be read. */
export class TokenUnreadable extends Error {
  constructor(cause: Error) {
    super(`the token for the portal's server cannot be read: ${cause.message}`);
  }
}

/** The connection broke that had been used before. */
class StaleConnection extends Error {
  constructor(cause: Error) {
    super(cause.message, { cause });
  }
}

/**
 * The portal's server.
 *
 * It is spoken to by `node:http` and not by `fetch`, which joins headers of the same name:
 * a line for each `Impersonate-Group` would become one group with the name `a, b`. Redirects
 * are not followed, so the token goes nowhere else.
 */
export class PortalServer {
  private readonly base: URL;
  private readonly agent: http.Agent | https.Agent;

  private constructor(baseUrl: string, private readonly token: TokenSource) {
    this.base = new URL(baseUrl);
    const options = { keepAlive: true };
    this.agent =
      this.base.protocol === 'https:'
        ? new https.Agent(options)
        : new http.Agent(options);
  }

  /** As `devportal.server` of the configuration says. */
  static fromConfig(root: Config): PortalServer {
    const config = root.getConfig('devportal.server');
    return new PortalServer(config.getString('baseUrl'), tokenSource(config));
  }

  /** Asks, and gives the answer as soon as its headers are there. */
  async ask(question: Question): Promise<IncomingMessage> {
    const token = await this.token().catch(error => {
      throw new TokenUnreadable(error);
    });
    try {
      return await this.send(question, token);
    } catch (error) {
      // A connection that was kept may have been closed by the other side meanwhile.
      if (!(error instanceof StaleConnection)) throw error;
      return await this.send(question, token);
    }
  }

  private send(question: Question, token: string): Promise<IncomingMessage> {
    const { method, path, body, signal } = question;
    const { protocol, hostname, port, pathname } = this.base;
    const headers: OutgoingHttpHeaders = {
      ...question.headers,
      authorization: `Bearer ${token}`,
    };
    if (body) headers['content-length'] = body.length;
    else if (method === 'POST' || method === 'PATCH') {
      headers['content-length'] = 0;
    }
    const { request } = protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
      const asked = request({
        protocol,
        // `URL` keeps the brackets of an IPv6 address, `http` wants none.
        hostname: hostname.replace(/^\[|\]$/g, ''),
        port,
        // On a connection that breaks nobody knows whether a write has arrived, and one that
        // was kept may break at any time: writes have their own.
        agent: method === 'GET' ? this.agent : false,
        method,
        path: pathname.replace(/\/+$/, '') + path,
        headers,
        signal,
      });
      asked.on('response', resolve);
      asked.on('error', error => {
        reject(asked.reusedSocket ? new StaleConnection(error) : error);
      });
      asked.end(body);
    });
  }
}

/** All of an answer's body. */
export async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  return Buffer.concat(chunks);
}
