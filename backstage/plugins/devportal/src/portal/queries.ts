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
  Myself,
  Product,
  PublishStatus,
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

type Options<T> = {
  /** Whether the answer may become another one of which no change tells. */
  isUntold?: (data: T | undefined) => boolean;
  refetchOnMount?: 'always';
};

/** Of what no change tells it is asked again and again. */
const WHILE_UNTOLD = 30_000;

/** One object. */
function useOne<T>(
  topic: Topic,
  about: unknown[],
  ask: (client: PortalClient, signal: AbortSignal) => Promise<T>,
  { isUntold = () => false, ...options }: Options<T> = {},
): UseQueryResult<T, PortalError> {
  const { client, againAfter } = useApi(portalApiRef);
  return useQuery<T, PortalError>({
    queryKey: [topic, ...about],
    queryFn: ({ signal }) => ask(client, signal),
    refetchInterval: query =>
      againAfter(query.state) || (isUntold(query.state.data) && WHILE_UNTOLD),
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
    // `fetchMore` looks at what nobody may have shown.
    notifyOnChangeProps: 'all',
  });
}

/**
 * Adds the next page. What is being asked for anew is waited for: it would be broken off,
 * and old rows would stay.
 */
export async function fetchMore<T>(rows: Rows<T>): Promise<void> {
  if (rows.isRefetching) await rows.refetch({ cancelRefetch: false });
  await rows.fetchNextPage();
}

/** Whoever may ask for keys nowhere waits for somebody to change that. */
export const useMe = (options: Pick<Options<Myself>, 'refetchOnMount'> = {}) =>
  useOne(
    'me',
    [],
    (client, signal) => dataOf(client.GET('/v1/me', { signal })),
    { isUntold: me => me?.requestIn.length === 0, ...options },
  );

export const useHealth = () =>
  useOne(
    'health',
    [],
    (client, signal) => dataOf(client.GET('/v1/health', { signal })),
    { isUntold: () => true },
  );

export const useGrants = () =>
  useOne(
    'grants',
    [],
    (client, signal) => dataOf(client.GET('/v1/grants', { signal })),
    { isUntold: () => true },
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

/** The namespaces of all products, whatever page of them is shown. */
export const useTeams = (status?: PublishStatus) =>
  useOne('products', ['namespaces', status], async (client, signal) => {
    const query = { status };
    const asked = client.GET('/v1/products/namespaces', {
      params: { query },
      signal,
    });
    return (await dataOf(asked)).items;
  });

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
