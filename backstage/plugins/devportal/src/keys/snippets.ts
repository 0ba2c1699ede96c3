/*
 * How is an API called with a key, from a shell and from four languages? The key comes from
 * the environment, so that it is in no file and no history.
 */
import type { Credentials } from '@devportal/backstage-plugin-devportal-common';
import {
  inGo,
  inJavaScript,
  inPython,
  inRust,
  inShell,
  inShellWith,
} from './literals';
import { go, javascript, python, rust } from './languages';

/** What is called, and where the key goes; no credentials: `Authorization: Bearer KEY`. */
export type Target = {
  url: string;
  credentials?: Credentials | null;
};

export type Snippet = {
  id: 'curl' | 'javascript' | 'python' | 'go' | 'rust';
  language: string;
  code: string;
};

/** Where the key goes. */
export type Place =
  | { in: 'header'; name: string; before: string }
  | { in: 'query'; name: string };

/** The environment variable with the key. */
export const VARIABLE = 'API_KEY';

/** The address in ASCII; what is encoded already stays. */
const asAddress = (text: string) =>
  text.replace(/[^!#-[\]-~]/gu, encodeURIComponent);

/** An address that others told; of a wildcard any host will do. */
export function addressOf(url: string): string {
  return asAddress(url.replace(/(?<=^[a-z]+:\/\/)\*(?=\.)/, 'HOST'));
}

/** Where the credentials say that the key goes: a cookie is a header, too. */
export function placeOf(credentials: Credentials | null | undefined): Place {
  const { authorizationHeader, customHeader, queryString, cookie } =
    credentials ?? {};
  if (customHeader) {
    return { in: 'header', name: customHeader.name, before: '' };
  }
  if (queryString) {
    return { in: 'query', name: queryString.name };
  }
  if (cookie) {
    return { in: 'header', name: 'Cookie', before: `${cookie.name}=` };
  }
  // Authorino reads an empty prefix as this one, too.
  const prefix = authorizationHeader?.prefix || 'Bearer';
  return { in: 'header', name: 'Authorization', before: `${prefix} ` };
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Whether HTTP can carry it: no client sends a header such as `a: b`. */
export function canBeSent({ credentials }: Target): boolean {
  const place = placeOf(credentials);
  if (place.in === 'query') {
    return place.name.isWellFormed() && place.name !== '';
  }
  if (credentials?.cookie && !TOKEN.test(credentials.cookie.name)) {
    return false;
  }
  return TOKEN.test(place.name) && /^([!-~][ -~]*)?$/.test(place.before);
}

/** The same call in each language; empty where no client could make it. */
export function snippets(target: Target): Snippet[] {
  if (!canBeSent(target)) {
    return [];
  }
  const place = placeOf(target.credentials);
  const { url } = target;
  return [
    { id: 'curl', language: 'curl', code: curl(target) },
    {
      id: 'javascript',
      language: 'JavaScript',
      code: javascript(url, place, inJavaScript),
    },
    { id: 'python', language: 'Python', code: python(url, place, inPython) },
    { id: 'go', language: 'Go', code: go(url, place, inGo) },
    { id: 'rust', language: 'Rust', code: rust(url, place, inRust) },
  ];
}

/** With `value` the key itself stands in it: for the moment when it is shown. */
export function curl(target: Target, value?: string): string {
  return call(target, text =>
    value === undefined
      ? inShellWith(text, VARIABLE)
      : inShell(`${text}${value}`),
  );
}

function call(
  { url, credentials }: Target,
  withKey: (text: string) => string,
): string {
  const place = placeOf(credentials);
  // curl reads brackets and braces as patterns of addresses.
  const glob = /[[\]{}]/.test(url) ? ' --globoff' : '';
  const rest =
    place.in === 'query'
      ? // curl takes a name that is encoded already.
        `--get --data-urlencode ${withKey(
          `${encodeURIComponent(place.name)}=`,
        )}`
      : `--header ${withKey(`${place.name}: ${place.before}`)}`;
  return `curl${glob} ${inShell(url)} \\\n  ${rest}`;
}

/** How a program gets a token from the issuer, and calls the API with it. */
export function clientCredentials(
  tokenEndpoint: string,
  target: Target,
): string {
  return [
    `TOKEN=$(curl --silent ${inShell(asAddress(tokenEndpoint))} \\`,
    '  --data grant_type=client_credentials \\',
    '  --data-urlencode "client_id=$CLIENT_ID" \\',
    '  --data-urlencode "client_secret=$CLIENT_SECRET" |',
    `  sed -n 's/.*"access_token" *: *"\\([^"]*\\)".*/\\1/p')`,
    '',
    call(target, text => inShellWith(text, 'TOKEN')),
  ].join('\n');
}
