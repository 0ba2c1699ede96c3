import {
  act,
  cleanup,
  renderHook,
  screen,
  waitFor,
} from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type { ReactNode } from 'react';
import {
  TestApiProvider,
  renderInTestApp,
} from '@backstage/frontend-test-utils';
import { PortalApi, portalApiRef } from '../portal';
import { FakePortal } from '../__testUtils__/fakePortal';
import { Portal } from './Portal';
import { useTyped } from './useTyped';

jest.setTimeout(30_000);

describe('what somebody types', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => {
    cleanup();
    jest.useRealTimers();
  });

  const onPage = (portal = new PortalApi({ fetch })) => {
    const wrapper = ({ children }: { children: ReactNode }) => (
      <TestApiProvider apis={[[portalApiRef, portal]]}>
        {children}
      </TestApiProvider>
    );
    return () =>
      renderHook(() => useTyped('a form', () => 'nothing'), { wrapper });
  };

  it('stands when its page was left, until it is discarded', () => {
    const show = onPage();
    const first = show();
    act(() => first.result.current.type('typed'));
    first.unmount();
    jest.advanceTimersByTime(600_000);
    const second = show();
    expect(second.result.current.typed).toBe('typed');
    expect(second.result.current.isBefore).toBe(true);
    act(() => second.result.current.discard());
    expect(second.result.current.typed).toBe('nothing');
    expect(second.result.current.isBefore).toBe(false);
    second.unmount();
    expect(show().result.current.typed).toBe('nothing');
  });

  it('is forgotten where it is done after its page was left', () => {
    const show = onPage();
    const first = show();
    act(() => first.result.current.type('typed'));
    first.unmount();
    jest.advanceTimersByTime(5_000);
    const second = show();
    act(() => first.result.current.discard());
    expect(second.result.current.typed).toBe('nothing');
  });

  it('is nothing where only something was noted', () => {
    const show = onPage();
    const first = show();
    act(() => first.result.current.set('noted'));
    first.unmount();
    jest.advanceTimersByTime(5_000);
    expect(show().result.current.typed).toBe('nothing');
  });
});

function Form() {
  const { typed, type } = useTyped('a form', () => '');
  return (
    <input
      aria-label="Words"
      value={typed}
      onChange={it => type(it.target.value)}
    />
  );
}

it('shows nobody what another has typed and seen in the same tab', async () => {
  let userEntityRef = 'user:default/alice';
  const api = new PortalApi(new FakePortal(), {
    getBackstageIdentity: async () => ({
      type: 'user',
      userEntityRef,
      ownershipEntityRefs: [],
    }),
  });
  const open = () =>
    renderInTestApp(
      <Portal>
        <Form />
      </Portal>,
      { apis: [[portalApiRef, api]] },
    );
  const first = open();
  await userEvent.type(await screen.findByLabelText('Words'), 'mine');
  api.queries.setQueryData(['me'], { user: 'alice' });
  first.unmount();

  const second = open();
  expect(await screen.findByLabelText('Words')).toHaveValue('mine');
  second.unmount();

  userEntityRef = 'user:default/bob';
  open();
  await waitFor(() => expect(screen.getByLabelText('Words')).toHaveValue(''));
  expect(api.queries.getQueryData(['me'])).toBeUndefined();
});
