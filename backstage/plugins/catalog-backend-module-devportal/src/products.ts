import { IncomingMessage } from 'node:http';
import {
  Product,
  ProductList,
  Reference,
} from '@devportal/backstage-plugin-devportal-common';
import {
  bodyOf,
  impersonation,
  PortalServer,
} from '@devportal/backstage-plugin-devportal-node';

const PATIENCE_MS = 30_000;
/** The server says something every 15 s; who hears nothing for so long is cut off. */
const SILENCE_MS = 60_000;
const AT_ONCE = 8;

/** The server answered, and not with what was asked for. */
class Refused extends Error {
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

async function refusal(
  answer: IncomingMessage,
  path: string,
): Promise<Refused> {
  const status = answer.statusCode ?? 0;
  const text = (await bodyOf(answer)).toString('utf8').slice(0, 1000);
  return new Refused(status, `${path} was answered with ${status}: ${text}`);
}

/** What an error says. */
export const whyOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);

/** A product and its OpenAPI document, or why that could not be had. */
export interface Documented {
  product: Product;
  document?: string;
  unread?: string;
}

/** The products that a user of the cluster sees, as the portal's server tells. */
export class Products {
  constructor(
    private readonly server: PortalServer,
    private readonly user: string,
  ) {}

  /** All that are published, with their documents. */
  async published(signal: AbortSignal): Promise<Documented[]> {
    const found: Reference[] = [];
    let after: string | null | undefined;
    do {
      const query = new URLSearchParams({ status: 'Published', limit: '200' });
      if (after) query.set('after', after);
      const list: ProductList = JSON.parse(
        await this.read(`/v1/products?${query}`, signal),
      );
      found.push(...list.items);
      after = list.next;
    } while (after);
    const all = await limited(found, it => this.find(it, signal));
    return all.filter(it => it !== undefined);
  }

  /** These, as they are now; `undefined` for those that are not published or not there. */
  async of(
    references: Reference[],
    signal: AbortSignal,
  ): Promise<(Documented | undefined)[]> {
    return limited(references, it => this.find(it, signal));
  }

  /** The stream of changes. What changes after it is open is told. */
  async changes(signal: AbortSignal): Promise<IncomingMessage> {
    const opening = new AbortController();
    const patience = setTimeout(() => opening.abort(), PATIENCE_MS);
    try {
      const answer = await this.ask(
        '/v1/events',
        'text/event-stream',
        AbortSignal.any([signal, opening.signal]),
      );
      if (answer.statusCode !== 200) {
        throw await refusal(answer, '/v1/events');
      }
      answer.setTimeout(SILENCE_MS, () => {
        answer.destroy(new Error('nothing was heard for a minute'));
      });
      return answer;
    } finally {
      clearTimeout(patience);
    }
  }

  private async find(
    { namespace, name }: Reference,
    signal: AbortSignal,
  ): Promise<Documented | undefined> {
    const path = `/v1/products/${encodeURIComponent(
      namespace,
    )}/${encodeURIComponent(name)}`;
    const text = await this.readIfThere(path, signal);
    if (text === undefined) return undefined;
    const product: Product = JSON.parse(text);
    if (product.spec.publishStatus !== 'Published') return undefined;
    if (!product.hasOpenapi) return { product };
    try {
      const document = await this.readIfThere(`${path}/openapi`, signal);
      return { product, document };
    } catch (error) {
      if (signal.aborted) throw error;
      // One document must not keep all the products back.
      return { product, unread: whyOf(error) };
    }
  }

  private async readIfThere(
    path: string,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    try {
      return await this.read(path, signal);
    } catch (error) {
      if (error instanceof Refused && error.status === 404) return undefined;
      throw error;
    }
  }

  private async read(path: string, signal: AbortSignal): Promise<string> {
    const patient = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const answer = await this.ask(path, '*/*', patient);
    if (answer.statusCode !== 200) throw await refusal(answer, path);
    return (await bodyOf(answer)).toString('utf8');
  }

  private ask(path: string, accept: string, signal: AbortSignal) {
    const headers = {
      ...impersonation({ user: this.user, groups: [] }),
      accept,
    };
    return this.server.ask({ method: 'GET', path, headers, signal });
  }
}

async function limited<A, B>(
  items: A[],
  each: (item: A) => Promise<B>,
): Promise<B[]> {
  const results = new Array<B>(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await each(items[index]);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return results;
}
