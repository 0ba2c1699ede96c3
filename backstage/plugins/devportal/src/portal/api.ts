/*
 * What does every page of the portal share? One client, one memory of what was
 * answered, one stream of changes while a page is shown.
 */
import { createApiRef } from '@backstage/frontend-plugin-api';
import type { FetchApi } from '@backstage/frontend-plugin-api';
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

export const portalApiRef = createApiRef<PortalApi>({
  id: 'plugin.devportal.portal',
});

export class PortalApi {
  readonly client: PortalClient;
  readonly queries: QueryClient;
  readonly kept = new Kept();
  private readonly watchers = new Set<() => void>();
  private stream?: AbortController;
  private lost?: Date;

  constructor(private readonly fetchApi: FetchApi) {
    this.client = portalClient(fetchApi);
    this.queries = new QueryClient({
      defaultOptions: {
        queries: {
          // The stream tells what is old.
          staleTime: Infinity,
          refetchOnWindowFocus: false,
          retry: (failures, error) =>
            error instanceof PortalError && error.mayPass && failures < 2,
          // What failed is tried again by itself.
          refetchInterval: query =>
            query.state.status === 'error' &&
            query.state.error instanceof PortalError &&
            query.state.error.mayPass
              ? 5_000
              : false,
        },
      },
    });
  }

  /** Since when changes are not heard of. */
  readonly lostSince = (): Date | undefined => this.lost;

  /** Calls back whenever `lostSince` changes; the stream lives while anyone watches. */
  readonly watch = (onSight: () => void): (() => void) => {
    this.watchers.add(onSight);
    if (!this.stream) {
      this.stream = new AbortController();
      void listen(this.fetchApi, this.listener, this.stream.signal);
    }
    return () => {
      this.watchers.delete(onSight);
      if (this.watchers.size === 0) {
        this.stream?.abort();
        this.stream = undefined;
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

  private readonly listener = {
    onChange: (change: Change) => {
      void this.outdate(...TOPICS[change.kind]);
    },
    onReset: () => {
      void this.queries.invalidateQueries();
    },
    onSight: (since: Date | undefined) => {
      this.lost = since;
      this.watchers.forEach(it => it());
    },
  };
}
