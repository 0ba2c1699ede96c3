/* Limits in words: "100 requests a day, shared by everyone on gold". */
import type { Limits } from '@devportal/backstage-plugin-devportal-common';
import type { Words } from './useWords';

const UNITS: Record<string, Intl.NumberFormatOptions['unit']> = {
  h: 'hour',
  m: 'minute',
  s: 'second',
};

/** A window such as `1h30m` in words; the text itself where it is none. */
export function windowInWords(window: string, language: string): string {
  const parts = [...window.matchAll(/(\d+)(h|m|s)/g)];
  if (parts.map(it => it[0]).join('') !== window || parts.length === 0) {
    return window;
  }
  const words = parts.map(([, count, unit]) =>
    new Intl.NumberFormat(language, {
      style: 'unit',
      unit: UNITS[unit],
      unitDisplay: 'long',
    }).format(Number(count)),
  );
  return words.join(' ');
}

/** What a plan allows; who shares it is said by `sharedLimits`. */
export function limitsInWords(
  limits: Limits | null | undefined,
  t: Words,
  language: string,
) {
  const { daily, weekly, monthly, yearly, custom } = limits ?? {};
  const words: string[] = [];
  const periods = { day: daily, week: weekly, month: monthly, year: yearly };
  for (const [period, count] of Object.entries(periods)) {
    // None at all is a limit, too.
    if (typeof count === 'number') {
      words.push(
        t(`shown.limits.${period as keyof typeof periods}`, { count }),
      );
    }
  }
  for (const { limit, window } of custom ?? []) {
    words.push(
      t('shown.limits.window', {
        count: limit,
        window: windowInWords(window, language),
      }),
    );
  }
  if (words.length === 0) return t('shown.limits.none');
  return words.reduce((first, second) =>
    t('shown.limits.and', { first, second }),
  );
}

/** The same, saying that everybody on the tier draws on it. */
export function sharedLimits(
  { tier, limits }: { tier: string; limits?: Limits | null },
  t: Words,
  language: string,
) {
  const words = limitsInWords(limits, t, language);
  return words === t('shown.limits.none')
    ? words
    : t('shown.limits.shared', { limits: words, tier });
}
