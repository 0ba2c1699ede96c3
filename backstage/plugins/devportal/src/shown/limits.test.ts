import { limitsInWords } from './limits';
import type { Words } from './useWords';

/** Each message by its name and what it says. */
const t = ((name: string, said?: Record<string, unknown>) =>
  [name.split('.').pop(), ...Object.values(said ?? {})].join(
    ' ',
  )) as unknown as Words;

describe('limits in words', () => {
  it('tells each period', () => {
    const limits = { daily: 1, weekly: 2, monthly: 3, yearly: 4 };
    expect(limitsInWords(limits, t, 'en')).toBe(
      'and and and day 1 week 2 month 3 year 4',
    );
  });

  it('tells that no request is let through, and not that there is no limit', () => {
    expect(limitsInWords({ daily: 0 }, t, 'en')).toBe('day 0');
    expect(
      limitsInWords({ custom: [{ limit: 0, window: '1h' }] }, t, 'en'),
    ).toBe('window 0 1 hour');
    expect(limitsInWords({}, t, 'en')).toBe('none');
  });
});
