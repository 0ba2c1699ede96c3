import { createServer, IncomingMessage, ServerResponse } from 'node:http';
import { AddressInfo } from 'node:net';

/** What arrived at the portal's server. */
export interface Arrived {
  method: string;
  url: string;
  /** Names in lower case; a header that came twice is there twice. */
  headers: [string, string][];
  body: Buffer;
}

type Answer = (req: IncomingMessage, res: ServerResponse) => void;

/** Plays the portal's server, and keeps what it was asked. */
export async function startPortal() {
  const arrived: Arrived[] = [];
  const answer: Answer = (_req, res) => {
    res.setHeader('content-type', 'application/json');
    res.end('{"items":[]}');
  };
  const played = { answer };
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const headers: [string, string][] = [];
    for (let at = 0; at < req.rawHeaders.length; at += 2) {
      headers.push([req.rawHeaders[at].toLowerCase(), req.rawHeaders[at + 1]]);
    }
    const { method = '', url = '' } = req;
    arrived.push({ method, url, headers, body: Buffer.concat(chunks) });
    played.answer(req, res);
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const stop = async () => {
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  };
  const url = `http://127.0.0.1:${port}`;
  return Object.assign(played, { url, arrived, stop });
}

export type Portal = Awaited<ReturnType<typeof startPortal>>;

/** The values of a header, in the order in which they came. */
export function valuesOf({ headers }: Arrived, name: string): string[] {
  return headers.filter(it => it[0] === name).map(it => it[1]);
}
