import { act, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { QueryClientProvider, onlineManager } from '@tanstack/react-query';
import { useApi } from '@backstage/frontend-plugin-api';
import { TestApiProvider } from '@backstage/frontend-test-utils';
import { me } from '../__testUtils__/examples';
import { FakePortal } from '../__testUtils__/fakePortal';
import type { Asked } from '../__testUtils__/fakePortal';
import { PortalApi, portalApiRef } from './api';
import { dataOf } from './client';
import {
  fetchMore,
  useGrants,
  useHealth,
  useMe,
  useProducts,
  useTeams,
  useWrite,
} from './queries';

jest.setTimeout(30_000);

function on<T>(portal: FakePortal, use: () => T) {
  const api = new PortalApi(portal);
  const wrapper = ({ children }: { children: ReactNode }) => (
    <TestApiProvider apis={[[portalApiRef, api]]}>
      <QueryClientProvider client={api.queries}>{children}</QueryClientProvider>
    </TestApiProvider>
  );
  return renderHook(use, { wrapper });
}

const unreachable = () => {
  throw new TypeError('there is no network');
};

describe('without a network', () => {
  beforeEach(() => onlineManager.setOnline(false));
  afterEach(() => onlineManager.setOnline(true));

  it('a write fails at once, and is not sent later', async () => {
    const portal = new FakePortal({ 'POST /v1/products': unreachable });
    const { result } = on(portal, () =>
      useWrite(client =>
        dataOf(client.POST('/v1/products', { body: {} as never })),
      ),
    );
    act(() => result.current.mutate(undefined));
    await waitFor(() => expect(result.current.error?.status).toBe(0));
    act(() => onlineManager.setOnline(true));
    expect(portal.lines).toEqual(['POST /v1/products']);
  });

  it('a read is tried three times, and says that it failed', async () => {
    const portal = new FakePortal({ 'GET /v1/products': unreachable });
    const { result } = on(portal, () => useProducts());
    await waitFor(() => expect(result.current.error?.status).toBe(0), {
      timeout: 10_000,
    });
    expect(portal.lines).toHaveLength(3);
  });
});

it('the teams are asked for anew when products have changed', async () => {
  const about = 'GET /v1/products/namespaces';
  const portal = new FakePortal({ [about]: { items: ['toystore'] } });
  const { result } = on(portal, () => ({
    teams: useTeams('Published'),
    api: useApi(portalApiRef),
  }));
  await waitFor(() => expect(result.current.teams.data).toEqual(['toystore']));
  expect(portal.lines).toEqual([`${about}?status=Published`]);
  portal.on('GET', '/v1/products/namespaces', { items: ['toystore', 'zoo'] });
  await act(() => result.current.api.outdate('products'));
  await waitFor(() =>
    expect(result.current.teams.data).toEqual(['toystore', 'zoo']),
  );
});

it('more rows do not break off what is being asked for anew', async () => {
  let isOld = true;
  const page = (after: string | null) => ({
    items: [{ name: `${isOld ? 'old' : 'new'} ${after ?? 'first'}` }],
    next: after ? undefined : 'second',
  });
  const portal = new FakePortal({
    'GET /v1/products': async ({ query }: Asked) => {
      if (!isOld) await new Promise(done => setTimeout(done, 200));
      return page(query.get('after'));
    },
  });
  const { result } = on(portal, () => ({
    rows: useProducts(),
    api: useApi(portalApiRef),
  }));
  const names = () => result.current.rows.data?.map(it => it.name);
  await waitFor(() => expect(names()).toEqual(['old first']));
  isOld = false;
  act(() => void result.current.api.outdate('products'));
  await waitFor(() => expect(result.current.rows.isRefetching).toBe(true));
  await act(() => fetchMore(result.current.rows));
  await waitFor(() => expect(names()).toEqual(['new first', 'new second']));
});

describe('what no change tells of', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  const later = (milliseconds: number) =>
    act(() => jest.advanceTimersByTimeAsync(milliseconds));

  const nowhere = { ...me, requestIn: [] };

  it('is asked for anew while somebody may ask for keys nowhere', async () => {
    const portal = new FakePortal({ 'GET /v1/me': nowhere });
    const { result } = on(portal, () => useMe());
    await later(29_000);
    expect(portal.lines).toHaveLength(1);
    portal.on('GET', '/v1/me', me);
    await later(2_000);
    expect(result.current.data?.requestIn).toEqual(['consumer']);
    await later(300_000);
    expect(portal.lines).toHaveLength(2);
  });

  it.each([
    ['GET /v1/grants', useGrants],
    ['GET /v1/health', useHealth],
  ])('is asked for anew: %s', async (about, use) => {
    const portal = new FakePortal({ [about]: { items: [] } });
    on(portal, use as () => unknown);
    await later(91_000);
    expect(portal.lines).toHaveLength(4);
  });
});
