/*
 * What is asked of the portal's server, and how is it remembered? Each question is
 * written once, here. `useOne` and `useRows` keep what they had while they ask anew.
 */
import { useApi } from '@backstage/frontend-plugin-api';
import {
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQueries,
  useQuery,
} from '@tanstack/react-query';
import type {
  UseInfiniteQueryResult,
  UseMutationResult,
  UseQueryResult,
} from '@tanstack/react-query';
import type {
  Product,
  paths,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf, versionedOf } from './client';
import type { PortalClient, PortalError } from './client';
import { portalApiRef } from './api';
import type { Topic } from './api';

export type Named = { namespace: string; name: string };

/** What a list can be asked, but for its pages. */
type Search<
  Path extends '/v1/products' | '/v1/keys' | '/v1/requests' | '/v1/routes',
> = Omit<
  NonNullable<paths[Path]['get']['parameters']['query']>,
  'after' | 'limit'
>;
export type ProductSearch = Search<'/v1/products'>;
export type KeySearch = Search<'/v1/keys'>;
export type RequestSearch = Search<'/v1/requests'>;
export type RouteSearch = Search<'/v1/routes'>;

/** One object. */
function useOne<T>(
  topic: Topic,
  about: unknown[],
  ask: (client: PortalClient, signal: AbortSignal) => Promise<T>,
  options: { refetchInterval?: number } = {},
): UseQueryResult<T, PortalError> {
  const { client } = useApi(portalApiRef);
  return useQuery<T, PortalError>({
    queryKey: [topic, ...about],
    queryFn: ({ signal }) => ask(client, signal),
    ...options,
  });
}

type Page<T> = { items: T[]; next?: string | null };

/** The rows of a list, page after page. */
export type Rows<T> = UseInfiniteQueryResult<T[], PortalError>;

function useRows<T>(
  topic: Topic,
  search: object,
  ask: (
    client: PortalClient,
    after: string | undefined,
    signal: AbortSignal,
  ) => Promise<Page<T>>,
): Rows<T> {
  const { client } = useApi(portalApiRef);
  return useInfiniteQuery({
    queryKey: [topic, 'list', search],
    queryFn: ({ pageParam, signal }) => ask(client, pageParam, signal),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: Page<T>) => page.next ?? undefined,
    select: ({ pages }) => pages.flatMap(page => page.items),
    placeholderData: keepPreviousData,
  });
}

export const useMe = () =>
  useOne('me', [], (client, signal) =>
    dataOf(client.GET('/v1/me', { signal })),
  );

/** No change tells of it, so it is asked for again and again. */
export const useHealth = () =>
  useOne(
    'health',
    [],
    (client, signal) => dataOf(client.GET('/v1/health', { signal })),
    { refetchInterval: 30_000 },
  );

export const useGrants = () =>
  useOne('grants', [], (client, signal) =>
    dataOf(client.GET('/v1/grants', { signal })),
  );

export const useProducts = (search: ProductSearch = {}) =>
  useRows('products', search, (client, after, signal) =>
    dataOf(
      client.GET('/v1/products', {
        params: { query: { ...search, after } },
        signal,
      }),
    ),
  );

const askProduct = (path: Named, client: PortalClient, signal: AbortSignal) =>
  dataOf(
    client.GET('/v1/products/{namespace}/{name}', { params: { path }, signal }),
  );

export const useProduct = (path: Named) =>
  useOne('products', [path.namespace, path.name], (client, signal) =>
    askProduct(path, client, signal),
  );

/** Each of them, as `useProduct` has it. */
export function useEachProduct(
  paths: Named[],
): UseQueryResult<Product, PortalError>[] {
  const { client } = useApi(portalApiRef);
  return useQueries({
    queries: paths.map(({ namespace, name }) => ({
      queryKey: ['products', namespace, name],
      queryFn: ({ signal }: { signal: AbortSignal }) =>
        askProduct({ namespace, name }, client, signal),
    })),
  });
}

export const useKeys = (search: KeySearch = {}) =>
  useRows('keys', search, (client, after, signal) =>
    dataOf(
      client.GET('/v1/keys', {
        params: { query: { ...search, after } },
        signal,
      }),
    ),
  );

export const useKey = (path: Named) =>
  useOne('keys', [path.namespace, path.name], (client, signal) =>
    dataOf(
      client.GET('/v1/keys/{namespace}/{name}', { params: { path }, signal }),
    ),
  );

export const useRequests = (search: RequestSearch = {}) =>
  useRows('requests', search, (client, after, signal) =>
    dataOf(
      client.GET('/v1/requests', {
        params: { query: { ...search, after } },
        signal,
      }),
    ),
  );

export const useRequest = (path: Named) =>
  useOne('requests', [path.namespace, path.name], (client, signal) =>
    versionedOf(
      client.GET('/v1/requests/{namespace}/{name}', {
        params: { path },
        signal,
      }),
    ),
  );

export const useRoutes = (search: RouteSearch = {}) =>
  useRows('routes', search, (client, after, signal) =>
    dataOf(
      client.GET('/v1/routes', {
        params: { query: { ...search, after } },
        signal,
      }),
    ),
  );

/**
 * Something that changes the cluster. The answers of the topics are asked for anew
 * before the write counts as done, so that what is shown next is not older than it.
 */
export function useWrite<Input, Output>(
  write: (client: PortalClient, input: Input) => Promise<Output>,
  ...topics: Topic[]
): UseMutationResult<Output, PortalError, Input> {
  const { client, outdate } = useApi(portalApiRef);
  return useMutation<Output, PortalError, Input>({
    mutationFn: input => write(client, input),
    onSettled: () => outdate(...topics),
  });
}
