/* A time: how long ago or ahead, and the whole of it for whoever points at it. */
import { useEffect, useReducer } from 'react';
import { useLanguage } from './useLanguage';
import { useWords } from './useWords';

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** "3 days ago", "in 2 hours". */
export function relative(at: Date, now: Date, language: string): string {
  const seconds = (at.getTime() - now.getTime()) / 1_000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  const step = STEPS.find(([, size]) => Math.abs(seconds) >= size);
  return step
    ? format.format(Math.trunc(seconds / step[1]), step[0])
    : format.format(Math.trunc(seconds), 'second');
}

/** Shows it anew every minute, for time goes on. */
function useEachMinute() {
  const [, showAnew] = useReducer((minutes: number) => minutes + 1, 0);
  useEffect(() => {
    const timer = setInterval(showAnew, 60_000);
    return () => clearInterval(timer);
  }, []);
}

/** Absent: never. */
export function When({ at }: { at?: string | null }) {
  const t = useWords();
  const language = useLanguage();
  useEachMinute();
  if (!at) {
    return <>{t('shown.never')}</>;
  }
  const time = new Date(at);
  return (
    <time dateTime={at} title={time.toLocaleString(language)}>
      {relative(time, new Date(), language)}
    </time>
  );
}
