import { act, screen, waitFor } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { FakePortal } from '../__testUtils__/fakePortal';
import { me } from '../__testUtils__/examples';
import { Portal } from '../shown';
import { PortalApi, portalApiRef } from './api';
import { dataOf } from './client';

const SINCE = '2026-11-28T01:32:16Z';
const inWords = new Date(SINCE).toLocaleString();

const stale = () =>
  Response.json(me, { headers: { 'Devportal-Stale-Since': SINCE } });

/** A server that says something now and then, until the test says otherwise. */
function streams() {
  const opened: AbortSignal[] = [];
  const isLost = { now: false };
  const isSilent = { now: false };
  const fetch = async (_: unknown, { signal }: RequestInit = {}) => {
    opened.push(signal!);
    if (isLost.now) throw new TypeError('nobody answers');
    let timer: ReturnType<typeof setInterval>;
    const stream = new ReadableStream<Uint8Array>({
      start: it => {
        const say = () =>
          isSilent.now || it.enqueue(new TextEncoder().encode(':\n\n'));
        timer = setInterval(say, 15_000);
      },
      cancel: () => clearInterval(timer),
    });
    return new Response(stream);
  };
  return { opened, isLost, isSilent, fetch };
}

let isHidden = false;

function hide(hidden: boolean) {
  isHidden = hidden;
  document.dispatchEvent(new Event('visibilitychange'));
}

beforeEach(() => {
  isHidden = false;
  jest.spyOn(document, 'hidden', 'get').mockImplementation(() => isHidden);
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

describe('the banner', () => {
  const show = (api: PortalApi) =>
    renderInTestApp(<Portal>the page</Portal>, { apis: [[portalApiRef, api]] });
  const banner = () => screen.queryByText(/What you see may have changed/);
  const ask = (api: PortalApi) =>
    act(async () => {
      await dataOf(api.client.GET('/v1/me')).catch(() => {});
    });

  it('says since when answers come from memory, until one does not', async () => {
    const portal = new FakePortal().on('GET', '/v1/me', stale);
    const api = new PortalApi(portal);
    show(api);
    await screen.findByText('the page');
    expect(banner()).toBeNull();
    await ask(api);
    expect(banner()?.textContent).toContain('does not hear from the cluster');
    expect(banner()?.textContent).toContain(inWords);

    // Backstage refuses by itself: that tells nothing of the cluster.
    portal.on('GET', '/v1/me', () => new Response(null, { status: 503 }));
    await ask(api);
    expect(banner()).not.toBeNull();
    portal.on('GET', '/v1/me', me);
    await ask(api);
    expect(banner()).toBeNull();
  });

  it('asks again for what came from memory', async () => {
    const portal = new FakePortal().on('GET', '/v1/me', stale);
    const api = new PortalApi(portal);
    const { refetchInterval } = api.queries.getDefaultOptions().queries!;
    const pause = () =>
      typeof refetchInterval === 'function' &&
      refetchInterval({ state: { error: null } } as never);
    expect(pause()).toBe(false);
    await dataOf(api.client.GET('/v1/me'));
    expect(pause()).toBe(15_000);
    portal.on('GET', '/v1/me', me);
    await dataOf(api.client.GET('/v1/me'));
    expect(pause()).toBe(false);
  });

  it('has the earlier of the two instants while the stream is lost, too', async () => {
    const { fetch, isLost } = streams();
    isLost.now = true;
    const api = new PortalApi({
      fetch: async (input, init) =>
        `${input}`.endsWith('/v1/me') ? stale() : fetch(input, init),
    });
    show(api);
    await waitFor(() =>
      expect(banner()?.textContent).toContain('cannot be reached'),
    );
    expect(banner()?.textContent).not.toContain(inWords);
    jest.useFakeTimers({ now: new Date(SINCE) });
    await ask(api);
    expect(banner()?.textContent).toContain('cannot be reached');
    expect(banner()?.textContent).toContain(inWords);
  });
});

describe('the stream', () => {
  const later = (milliseconds: number) =>
    jest.advanceTimersByTimeAsync(milliseconds);

  it('outlives a short look at another tab', async () => {
    jest.useFakeTimers();
    const { opened, fetch } = streams();
    const leave = new PortalApi({ fetch }).watch(() => {});
    await later(0);
    hide(true);
    await later(29_000);
    hide(false);
    await later(60_000);
    expect(opened.map(it => it.aborted)).toEqual([false]);
    leave();
    expect(opened[0].aborted).toBe(true);
  });

  it('is given back out of sight, and everything is asked for anew in sight', async () => {
    jest.useFakeTimers();
    const { opened, fetch } = streams();
    const api = new PortalApi({ fetch });
    const reset = jest.spyOn(api.queries, 'invalidateQueries');
    const leave = api.watch(() => {});
    await later(0);
    expect(reset).toHaveBeenCalledTimes(1);
    hide(true);
    await later(3_600_000);
    expect(opened.map(it => it.aborted)).toEqual([true]);
    expect(api.lostSince()).toBeUndefined();

    hide(false);
    await later(0);
    expect(opened.map(it => it.aborted)).toEqual([true, false]);
    expect(api.lostSince()).toBeUndefined();
    expect(reset).toHaveBeenCalledTimes(2);
    expect(reset).toHaveBeenLastCalledWith();
    leave();
  });

  it('is opened anew when nothing was heard for a minute', async () => {
    jest.useFakeTimers();
    const { opened, isSilent, fetch } = streams();
    const api = new PortalApi({ fetch });
    const reset = jest.spyOn(api.queries, 'invalidateQueries');
    const leave = api.watch(() => {});
    await later(300_000);
    expect(opened).toHaveLength(1);
    isSilent.now = true;
    await later(59_000);
    expect(opened).toHaveLength(1);
    await later(3_000);
    expect(opened).toHaveLength(2);
    expect(reset).toHaveBeenCalledTimes(2);
    leave();
  });

  it('that is not to be had again is lost since it was given back', async () => {
    jest.useFakeTimers();
    const { isLost, fetch } = streams();
    const api = new PortalApi({ fetch });
    const leave = api.watch(() => {});
    await later(0);
    hide(true);
    await later(30_000);
    const given = new Date();
    isLost.now = true;
    await later(3_600_000);
    hide(false);
    await later(0);
    expect(api.lostSince()).toEqual(given);
    leave();
  });

  it('is not opened by a tab that nobody has seen yet', async () => {
    jest.useFakeTimers();
    isHidden = true;
    const { opened, fetch } = streams();
    const leave = new PortalApi({ fetch }).watch(() => {});
    await later(60_000);
    expect(opened).toHaveLength(0);
    hide(false);
    await later(0);
    expect(opened).toHaveLength(1);
    leave();
    hide(true);
    hide(false);
    await later(60_000);
    expect(opened).toHaveLength(1);
  });
});
