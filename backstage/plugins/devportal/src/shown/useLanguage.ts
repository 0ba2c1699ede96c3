/* The language of the texts, for the numbers and times that stand among them. */
import { useCallback, useSyncExternalStore } from 'react';
import { coreApis, useApi } from '@backstage/frontend-plugin-api';

/** With the region where the browser names one for it: `en-GB` for `en`. */
export function useLanguage(): string {
  const texts = useApi(coreApis.appLanguage);
  const watch = useCallback(
    (onChange: () => void) => {
      const watching = texts.language$().subscribe(onChange);
      return () => watching.unsubscribe();
    },
    [texts],
  );
  const language = useSyncExternalStore(
    watch,
    () => texts.getLanguage().language,
  );
  const isOf = (it: string) => it === language || it.startsWith(`${language}-`);
  return navigator.languages.find(it => isOf(it) && isTag(it)) ?? language;
}

/** Some browsers name what is none, after the system's locale: `en-US@posix`. */
function isTag(language: string): boolean {
  try {
    return Intl.getCanonicalLocales(language).length > 0;
  } catch {
    return false;
  }
}
