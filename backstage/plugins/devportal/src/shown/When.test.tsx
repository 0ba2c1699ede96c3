import { act, render, screen } from '@testing-library/react';
import { TestApiProvider, mockApis } from '@backstage/frontend-test-utils';
import { coreApis } from '@backstage/frontend-plugin-api';
import { windowInWords } from './limits';
import { When } from './When';

const NOW = '2026-11-30T12:00:00Z';

/** In an app whose texts are in this language. */
function show(at: string, defaultLanguage: string) {
  const texts = mockApis.appLanguage({
    defaultLanguage,
    availableLanguages: ['de', 'en'],
  });
  const apis = [
    [coreApis.appLanguage, texts],
    [coreApis.translation, mockApis.translation()],
    [coreApis.error, mockApis.error()],
  ] as const;
  render(
    <TestApiProvider apis={apis}>
      <When at={at} />
    </TestApiProvider>,
  );
  return texts;
}

const time = () => screen.getByText(/./, { selector: 'time' });

beforeEach(() => {
  jest.useFakeTimers({ now: new Date(NOW) });
});

afterEach(() => {
  jest.useRealTimers();
  jest.restoreAllMocks();
});

it('speaks the language of the texts, also when it changes', async () => {
  const texts = show('2026-11-30T10:00:00Z', 'de');
  expect(time()).toHaveTextContent('vor 2 Stunden');
  expect(time().title).toBe(
    new Date('2026-11-30T10:00:00Z').toLocaleString('de'),
  );
  await act(async () => texts.setLanguage('en'));
  expect(time()).toHaveTextContent('2 hours ago');
});

it('writes times as the region of the browser does, if that is its language', () => {
  jest
    .spyOn(navigator, 'languages', 'get')
    .mockReturnValue(['de-DE', 'en-GB', 'en']);
  show('2026-11-30T10:00:00Z', 'en');
  expect(time().title).toMatch(/^30\/11\/2026/);
});

it('takes no language of the browser that is none', () => {
  jest
    .spyOn(navigator, 'languages', 'get')
    .mockReturnValue(['en-US@posix', 'en']);
  show('2026-11-30T10:00:00Z', 'en');
  expect(time()).toHaveTextContent('2 hours ago');
});

it('goes on with the time', () => {
  show('2026-11-30T11:59:00Z', 'en');
  expect(time()).toHaveTextContent('1 minute ago');
  act(() => jest.advanceTimersByTime(120_000));
  expect(time()).toHaveTextContent('3 minutes ago');
});

it('goes for the periods of limits, too', () => {
  expect(windowInWords('1h30m', 'de')).toBe('1 Stunde 30 Minuten');
});
