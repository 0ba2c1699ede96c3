/* What a list is searched for stands in the address: it can be sent to others, and
 * the way back leads to it. */
import { useAppSearchParams } from '@backstage/frontend-plugin-api';

/** The parameters of these names, and how to change them; empty: taken away. */
export function useSearch<Name extends string>(
  ...names: Name[]
): [
  Partial<Record<Name, string>>,
  (changes: Partial<Record<Name, string>>) => void,
] {
  const [params, setParams] = useAppSearchParams();
  const search: Partial<Record<Name, string>> = {};
  for (const name of names) {
    search[name] = params.get(name) || undefined;
  }
  const change = (changes: Partial<Record<Name, string>>) =>
    setParams(
      before => {
        const after = new URLSearchParams(before);
        for (const name of names.filter(it => it in changes)) {
          const value = changes[name];
          if (value) after.set(name, value);
          else after.delete(name);
        }
        return after;
      },
      { replace: true },
    );
  return [search, change];
}
