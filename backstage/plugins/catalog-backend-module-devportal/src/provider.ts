import { EventEmitter, once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { LoggerService } from '@backstage/backend-plugin-api';
import {
  EntityProvider,
  EntityProviderConnection,
} from '@backstage/plugin-catalog-node';
import {
  Change,
  Reference,
} from '@devportal/backstage-plugin-devportal-common';
import { entityOf, entityRefOf } from './entity';
import { Documented, Products, whyOf } from './products';
import { SentEvent, sentEvents } from './sse';

const NAME = 'devportal-products';
/** Changes come in bursts, as when a product and its status are written. */
const TOGETHER_MS = 200;
const PAUSES_MS = { first: 1000, last: 30_000 };
/** How long the task that follows the portal lives. */
export const TASK_MS = 120_000;
/** So many names are told, and no more. */
const NAMES = 5;

/** What is still to be looked at. */
class Outstanding {
  private readonly wakes = new EventEmitter();
  private readonly changed = new Map<string, Reference>();
  private all = true;

  hear({ event, data }: SentEvent): void {
    if (event === 'reset') this.all = true;
    if (event === 'change') {
      const { kind, namespace, name }: Change = JSON.parse(data);
      if (kind !== 'apiproducts') return;
      this.changed.set(`${namespace}/${name}`, { namespace, name });
    }
    this.wakes.emit('wake');
  }

  /** Everything, or what has changed since the last time; waits where there is nothing. */
  async next(signal: AbortSignal): Promise<'all' | Reference[]> {
    if (!this.all && this.changed.size === 0) {
      await once(this.wakes, 'wake', { signal });
      return this.next(signal);
    }
    if (!this.all) await sleep(TOGETHER_MS, undefined, { signal });
    const what = this.all ? 'all' : [...this.changed.values()];
    this.all = false;
    this.changed.clear();
    return what;
  }
}

/**
 * Keeps the catalog's products as the portal's are: everything when a stream of changes
 * begins, and then what the stream tells. Nothing is asked for again and again.
 */
export class ProductProvider implements EntityProvider {
  private connection?: EntityProviderConnection;
  /** Whether everything is being listed. */
  private isListing = false;
  /** Whose documents were told of last. */
  private unread = '';

  constructor(
    private readonly products: Products,
    private readonly logger: LoggerService,
    private readonly connected: () => Promise<void>,
    private readonly pauses = PAUSES_MS,
    private readonly taskMs = TASK_MS,
  ) {}

  getProviderName(): string {
    return NAME;
  }

  async connect(connection: EntityProviderConnection): Promise<void> {
    this.connection = connection;
    await this.connected();
  }

  /** Follows the portal until the signal, through every outage. */
  async run(signal: AbortSignal): Promise<void> {
    let pause = this.pauses.first;
    let isOut = false;
    const began = performance.now();
    const recovered = (count: number) => {
      if (isOut) this.logger.info('the portal is followed again');
      this.logger.debug(`the portal has ${count} published products`);
      isOut = false;
      pause = this.pauses.first;
    };
    while (!signal.aborted) {
      try {
        await this.follow(signal, recovered);
      } catch (error) {
        if (signal.aborted) {
          this.tellUnfinished(performance.now() - began);
          return;
        }
        if (!isOut) {
          const why = whyOf(error);
          this.logger.warn(
            `the portal cannot be followed, so products in the catalog may be out of date: ${why}`,
          );
        }
        isOut = true;
      }
      await sleep(pause, undefined, { signal }).catch(() => {});
      pause = Math.min(pause * 2, this.pauses.last);
    }
  }

  /** One stream, from its beginning to its end. */
  private async follow(
    signal: AbortSignal,
    listed: (count: number) => void,
  ): Promise<void> {
    const over = new AbortController();
    const until = AbortSignal.any([signal, over.signal]);
    let carrying: Promise<void> | undefined;
    this.isListing = false;
    try {
      // First the stream, then the list: what changes between is told.
      const stream = await this.products.changes(until);
      const outstanding = new Outstanding();
      carrying = this.carryOut(outstanding, until, listed);
      await Promise.race([hearAll(stream, outstanding), carrying]);
    } finally {
      over.abort();
      // What is being written to the catalog comes before what the next stream brings.
      await carrying?.catch(() => {});
    }
  }

  private async carryOut(
    outstanding: Outstanding,
    signal: AbortSignal,
    listed: (count: number) => void,
  ): Promise<void> {
    for (;;) {
      const what = await outstanding.next(signal);
      if (what === 'all') {
        this.isListing = true;
        const all = await this.products.published(signal);
        if (all.every(it => it.unread === undefined)) this.unread = '';
        this.tellUnread(all);
        await this.connection?.applyMutation({
          type: 'full',
          entities: all.map(deferred),
        });
        this.isListing = false;
        listed(all.length);
      } else {
        const now = await this.products.of(what, signal);
        this.tellUnread(now.filter(it => it !== undefined));
        await this.connection?.applyMutation({
          type: 'delta',
          added: now.filter(it => it !== undefined).map(deferred),
          removed: what
            .filter((_, index) => now[index] === undefined)
            .map(it => ({ entityRef: entityRefOf(it), locationKey: NAME })),
        });
      }
    }
  }

  /** Where the task's time was not enough: it is broken off a bit before it has been. */
  private tellUnfinished(elapsedMs: number): void {
    if (!this.isListing || elapsedMs < this.taskMs * 0.9) return;
    const seconds = Math.round(elapsedMs / 1000);
    this.logger.warn(
      `the portal's products could not be listed within ${seconds} seconds, so products in the catalog may be out of date: look why the portal is slow`,
    );
  }

  /** Tells which documents could not be had; of the same ones only once. */
  private tellUnread(found: Documented[]): void {
    const unread = found.filter(it => it.unread !== undefined);
    if (unread.length === 0) return;
    const names = unread.map(
      ({ product }) => `${product.namespace}/${product.name}`,
    );
    const told = names.join(', ');
    if (told !== this.unread) {
      const some = names.slice(0, NAMES).join(', ');
      const more =
        names.length > NAMES ? ` and ${names.length - NAMES} more` : '';
      this.logger.warn(
        `OpenAPI documents could not be fetched, so the catalog has products without them (${some}${more}): ${unread[0].unread}`,
      );
    }
    this.unread = told;
  }
}

async function hearAll(
  stream: AsyncIterable<Uint8Array>,
  outstanding: Outstanding,
): Promise<void> {
  try {
    for await (const event of sentEvents(stream)) {
      if (event.event === 'end') throw new Error(event.data);
      outstanding.hear(event);
    }
  } catch (error) {
    // Node calls a connection that broke 'aborted', and nothing else.
    throw new Error(`the stream of changes broke off: ${whyOf(error)}`);
  }
}

function deferred({ product, document }: Documented) {
  return { entity: entityOf(product, document), locationKey: NAME };
}
