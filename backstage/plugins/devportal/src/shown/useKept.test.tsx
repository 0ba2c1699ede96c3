import { StrictMode } from 'react';
import { act, cleanup, renderHook } from '@testing-library/react';
import type { ReactNode } from 'react';
import { TestApiProvider } from '@backstage/frontend-test-utils';
import { PortalApi, portalApiRef } from '../portal';
import { useKept } from './useKept';

const portal = new PortalApi({ fetch });
const wrapper = ({ children }: { children: ReactNode }) => (
  <TestApiProvider apis={[[portalApiRef, portal]]}>{children}</TestApiProvider>
);
const show = (initial = 'nothing') =>
  renderHook(() => useKept('a form', () => initial), { wrapper });

describe('what is kept', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => {
    cleanup();
    jest.runAllTimers();
    jest.useRealTimers();
  });

  it('outlives a remount of the app', () => {
    const first = show();
    act(() => first.result.current[1]('typed'));
    first.unmount();
    jest.advanceTimersByTime(500);
    const second = show();
    expect(second.result.current[0]).toBe('typed');
    jest.advanceTimersByTime(5_000);
    second.unmount();
    expect(show().result.current[0]).toBe('typed');
  });

  it('is also what it began with', () => {
    show('what was seen first').unmount();
    jest.advanceTimersByTime(500);
    expect(show('what is there now').result.current[0]).toBe(
      'what was seen first',
    );
  });

  it('goes on to who shows it by now, where it comes late', () => {
    const first = show();
    first.unmount();
    const second = show();
    act(() => first.result.current[1](before => `${before}, then more`));
    expect(second.result.current[0]).toBe('nothing, then more');
    second.unmount();
    act(() => second.result.current[1]('between two'));
    expect(show().result.current[0]).toBe('between two');
  });

  it('is not kept where it comes when its page was left', () => {
    const first = show();
    first.unmount();
    jest.advanceTimersByTime(5_000);
    act(() => first.result.current[1]('late'));
    expect(portal.kept.find('a form')).toBeUndefined();
    expect(show().result.current[0]).toBe('nothing');
  });

  it('stays with who shows it when the app before goes later', () => {
    const first = show();
    const second = show();
    first.unmount();
    jest.advanceTimersByTime(5_000);
    act(() => second.result.current[1]('typed'));
    second.unmount();
    expect(show().result.current[0]).toBe('typed');
  });

  it('is the same where React mounts everything twice', () => {
    const twice = () =>
      renderHook(() => useKept('a form', () => 'nothing'), {
        wrapper: ({ children }) => (
          <StrictMode>{wrapper({ children })}</StrictMode>
        ),
      });
    const first = twice();
    act(() => first.result.current[1]('typed'));
    jest.advanceTimersByTime(5_000);
    expect(first.result.current[0]).toBe('typed');
    first.unmount();
    expect(twice().result.current[0]).toBe('typed');
  });

  it('is forgotten when its page is left', () => {
    const first = show();
    act(() => first.result.current[1]('typed'));
    first.unmount();
    jest.advanceTimersByTime(5_000);
    expect(portal.kept.find('a form')).toBeUndefined();
    expect(show().result.current[0]).toBe('nothing');
  });
});
