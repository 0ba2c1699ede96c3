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

  it('is forgotten when its page is left', () => {
    const first = show();
    act(() => first.result.current[1]('typed'));
    first.unmount();
    jest.advanceTimersByTime(5_000);
    expect(portal.kept.find('a form')).toBeUndefined();
    expect(show().result.current[0]).toBe('nothing');
  });
});
