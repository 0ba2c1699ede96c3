/*
 * What does every page of the portal share? One client, one memory of what was
 * answered, one stream of changes while a page is shown.
 */
import { createApiRef } from '@backstage/frontend-plugin-api';
import type { FetchApi, IdentityApi } from '@backstage/frontend-plugin-api';
import { QueryClient } from '@tanstack/react-query';
import { PortalError, portalClient } from './client';
import type { PortalClient } from './client';
import { Kept } from './kept';
import { listen } from './changes';
import type { Change } from './changes';

/** What answers are remembered by: the first part of each query's key. */
export type Topic =
  | 'me'
  | 'products'
  | 'keys'
  | 'requests'
  | 'routes'
  | 'health'
  | 'grants';

/** Which answers a change of a kind makes old. */
const TOPICS: Record<Change['kind'], Topic[]> = {
  // Problems of routes and counts of keys are shown with products.
  apiproducts: ['products', 'routes'],
  apikeys: ['keys'],
  apikeyrequests: ['requests', 'products', 'me'],
  httproutes: ['routes', 'products', 'me'],
};

/** Changes within this time are asked for together. */
const TOGETHER = 200;

/** A tab that is out of sight for so long gives its stream back. */
const HIDDEN_FOR = 30_000;

/** What is answered from memory is asked for again until it is not. */
const WHILE_STALE = 15_000;

/** What failed is tried again by itself. */
const AFTER_FAILURE = 5_000;

export const portalApiRef = createApiRef<PortalApi>({
  id: 'plugin.devportal.portal',
});

export class PortalApi {
  readonly client: PortalClient;
  readonly queries: QueryClient;
  readonly kept = new Kept();
  /** Who is signed in, as of when it was last asked. */
  private user?: string;
  /** How many others were before. */
  private others = 0;
  private readonly watchers = new Set<() => void>();
  private stream?: AbortController;
  private hiding?: ReturnType<typeof setTimeout>;
  /** Topics that have changed, and what asks for them together. */
  private readonly old = new Set<Topic>();
  private gathering?: ReturnType<typeof setTimeout>;
  private lost?: Date;
  private stale?: Date;
  /** Since when nothing has been heard, as of when the stream was last given back. */
  private unheardSince = new Date();

  constructor(
    private readonly fetchApi: FetchApi,
    private readonly identityApi?: Pick<IdentityApi, 'getBackstageIdentity'>,
  ) {
    this.client = portalClient(fetchApi, this.onRead);
    this.queries = new QueryClient({
      defaultOptions: {
        queries: {
          // Without a network it fails, and is not waited for.
          networkMode: 'always',
          // The stream tells what is old.
          staleTime: Infinity,
          refetchOnWindowFocus: false,
          retry: (failures, error) =>
            error instanceof PortalError && error.mayPass && failures < 2,
          refetchInterval: query => this.againAfter(query.state),
        },
        // Sent later it may be what nobody wants any more.
        mutations: { networkMode: 'always' },
      },
    });
  }

  /** After how long an answer is asked for anew; false: not by itself. */
  readonly againAfter = ({ error }: { error: unknown }): number | false => {
    if (error instanceof PortalError && error.mayPass) return AFTER_FAILURE;
    return this.stale ? WHILE_STALE : false;
  };

  /** Since when changes are not heard of. */
  readonly lostSince = (): Date | undefined => this.lost;

  /** Since when the portal's server itself does not hear of changes. */
  readonly staleSince = (): Date | undefined => this.stale;

  /** Another number for each person: pages begin anew with it. */
  readonly person = (): number => this.others;

  /** Looks who is signed in: what one has typed and seen is not for another. */
  readonly meet = async (): Promise<void> => {
    const identity = await this.identityApi
      ?.getBackstageIdentity()
      // Signed out: whoever comes next is met then.
      .catch(() => undefined);
    const before = this.user;
    this.user = identity?.userEntityRef ?? before;
    if (before === undefined || before === this.user) return;
    this.kept.clear();
    this.queries.clear();
    this.others += 1;
    this.tell();
  };

  /**
   * Calls back whenever `person`, `lostSince` or `staleSince` changes; the stream lives while anyone
   * watches and the tab is in sight.
   */
  readonly watch = (onSight: () => void): (() => void) => {
    this.watchers.add(onSight);
    if (this.watchers.size === 1) {
      document.addEventListener('visibilitychange', this.onVisibility);
      this.onVisibility();
    }
    return () => {
      this.watchers.delete(onSight);
      if (this.watchers.size === 0) {
        document.removeEventListener('visibilitychange', this.onVisibility);
        this.close();
      }
    };
  };

  /** Makes answers old that a write has changed. */
  readonly outdate = (...topics: Topic[]): Promise<unknown> =>
    Promise.all(
      topics.map(topic =>
        this.queries.invalidateQueries({ queryKey: [topic] }),
      ),
    );

  /** Over HTTP/1.1 a browser has six connections to a host, for all of its tabs. */
  private readonly onVisibility = () => {
    clearTimeout(this.hiding);
    if (document.hidden) {
      this.hiding = setTimeout(this.close, HIDDEN_FOR);
    } else if (!this.stream) {
      this.stream = new AbortController();
      const { signal } = this.stream;
      void listen(this.fetchApi, this.listener, signal, this.unheardSince);
    }
  };

  private readonly close = () => {
    clearTimeout(this.hiding);
    if (!this.stream) return;
    this.unheardSince = this.lost ?? new Date();
    this.stream.abort();
    this.stream = undefined;
  };

  private readonly onRead = ({ ok, headers }: Response) => {
    const told = headers.get('devportal-stale-since');
    // Not every refusal comes from the portal's server, which alone knows.
    if (!ok && !told) return;
    const since = told ? new Date(told) : undefined;
    if (since?.getTime() === this.stale?.getTime()) return;
    this.stale = since;
    this.tell();
  };

  /** What is being asked for is asked for again once it is there, not broken off. */
  private readonly renew = () => {
    const isBusy = (it: Topic) =>
      this.queries.isFetching({ queryKey: [it] }) > 0;
    const due = [...this.old].filter(it => !isBusy(it));
    due.forEach(it => this.old.delete(it));
    this.gathering =
      this.old.size > 0 ? setTimeout(this.renew, TOGETHER) : undefined;
    void this.outdate(...due);
  };

  private readonly tell = () => this.watchers.forEach(it => it());

  private readonly listener = {
    onChange: (change: Change) => {
      // A newer server may tell of kinds that are not known here.
      TOPICS[change.kind]?.forEach(it => this.old.add(it));
      this.gathering ??= setTimeout(this.renew, TOGETHER);
    },
    onReset: () => {
      void this.queries.invalidateQueries();
    },
    onSight: (since: Date | undefined) => {
      this.lost = since;
      this.tell();
    },
  };
}
