/*
 * Who may do what through Backstage? Every operation of the portal's server, asked of the
 * running plugin over HTTP: by nobody, by those with tokens of others, and by the demo's
 * people, who all claim to be somebody else as well.
 */
import { readFile } from 'node:fs/promises';
import { PEOPLE, bodyFor, build, clear, pathFor, sampleSpec } from './behind';
import type { Door, Person } from './behind';
import { backstage, kubectl, until } from './stack';
import { tell } from './told';

/** What each is answered, in the order in which it is asked. Keys are Alice's. */
// prettier-ignore
const ANSWERS: Record<string, [number, number, number, number, number]> = {
  //                     Alice Olivia Adam Petra Oscar
  getMe:                 [200, 200, 200, 200, 200],
  getHealth:             [403, 403, 200, 200, 403],
  listGrants:            [403, 403, 403, 200, 403],
  watchEvents:           [200, 200, 200, 200, 200],
  listProducts:          [200, 200, 200, 200, 200],
  listProductNamespaces: [200, 200, 200, 200, 200],
  getProduct:            [200, 200, 200, 200, 404],
  getProductOpenapi:     [200, 200, 200, 200, 404],
  createProduct:         [403, 201, 201, 403, 403],
  editProduct:           [403, 200, 200, 403, 404],
  deleteProduct:         [403, 204, 204, 403, 404],
  listRoutes:            [403, 200, 200, 200, 200],
  listKeys:              [200, 200, 200, 200, 200],
  createKey:             [201, 403, 403, 403, 403],
  getKey:                [200, 404, 200, 200, 404],
  revealKey:             [200, 403, 403, 403, 403],
  rotateKey:             [200, 403, 403, 403, 403],
  deleteKey:             [204, 403, 204, 403, 403],
  listRequests:          [403, 200, 200, 200, 200],
  getRequest:            [403, 200, 200, 200, 404],
  decideRequest:         [403, 201, 201, 403, 404],
};

/** Nobody believes them, whoever sends them. */
const CLAIMS = {
  'Impersonate-User': 'adam',
  'Impersonate-Group': 'system:masters',
  'X-Remote-User': 'adam',
  'X-Remote-Group': 'system:masters',
  'X-Forwarded-User': 'adam',
  'X-Devportal-Demo-User': 'user:default/adam',
};

/** The operations of the OpenAPI document. */
async function readDoors(): Promise<Door[]> {
  const file = require.resolve('../../../../docs/reference/openapi.json');
  const { paths } = JSON.parse(await readFile(file, 'utf8'));
  const found = new Map<string, Door>();
  for (const [path, methods] of Object.entries<object>(paths)) {
    for (const [method, { operationId: id }] of Object.entries(methods)) {
      found.set(id, { id, method: method.toUpperCase(), path });
    }
  }
  const rows = Object.keys(ANSWERS);
  const known = new Set([...rows, ...found.keys()]);
  const odd = [...known].filter(it => !found.has(it) || !(it in ANSWERS));
  if (odd.length > 0) {
    throw new Error(`in one of document and table only: ${odd}`);
  }
  return rows.flatMap(it => found.get(it) ?? []);
}

/** Once the catalog knows the person: right after the start it reads them still. */
async function tokenOf(person: Person): Promise<string> {
  return until(`${person} is signed in`, async () => {
    const answer = await fetch(`${backstage}/api/auth/demo/refresh`, {
      headers: {
        'X-Devportal-Demo-User': `user:default/${person}`,
        'X-Requested-With': 'XMLHttpRequest',
      },
    });
    const { backstageIdentity } = (await answer.json()) as {
      backstageIdentity?: { token: string };
    };
    return backstageIdentity?.token;
  });
}

type Answer = { status: number; text: string };

async function ask(
  { method, path }: Omit<Door, 'id'>,
  token?: string,
  body?: object,
): Promise<Answer> {
  const answer = await fetch(`${backstage}/api/devportal${path}`, {
    method,
    headers: {
      ...CLAIMS,
      ...(token && { Authorization: `Bearer ${token}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    },
    body: body && JSON.stringify(body),
  });
  const type = answer.headers.get('Content-Type') ?? '';
  const isStream = type.startsWith('text/event-stream');
  if (isStream) await answer.body?.cancel();
  const text = isStream ? '' : await answer.text();
  return { status: answer.status, text };
}

/** Whose tokens are good for something, but not here. */
async function strangers(token: string): Promise<[string, string?][]> {
  const config = ['config', 'view', '--raw', '--minify', '--output=json'];
  const { users } = JSON.parse(await kubectl('backstage', config));
  return [
    ['nobody'],
    ['somebody with a forged token', `${token.slice(0, -8)}AAAAAAAA`],
    ['Backstage’s account in the cluster', users[0].user.token],
  ];
}

/** Nothing else of the portal's server is passed on, not even to an administrator. */
const ELSEWHERE = ['/readyz', '/metrics', '/openapi.json'];

/** @throws When anybody is answered otherwise than the table says. */
export async function doors(): Promise<void> {
  const all = await readDoors();
  const spec = await sampleSpec();
  const tokens = await Promise.all(PEOPLE.map(tokenOf));
  const [alice, , adam] = tokens;
  const others = await strangers(alice);
  const wrong: string[] = [];
  const compare = (what: string, want: number, { status, text }: Answer) => {
    if (status !== want) {
      wrong.push(`${what}: ${status}, not ${want}: ${text.slice(0, 300)}`);
    }
  };
  const knock = (door: Door, person: Person, token?: string) =>
    ask(
      { ...door, path: pathFor(door, person) },
      token,
      bodyFor(door.id, person, spec),
    );
  await build(spec);
  try {
    await until('Alice’s keys can be shown', () => allCanBeShown(alice));
    for (const door of all) {
      for (const [who, token] of others) {
        compare(`${door.id}, ${who}`, 401, await knock(door, 'alice', token));
      }
      for (const [at, person] of PEOPLE.entries()) {
        const got = await knock(door, person, tokens[at]);
        compare(`${door.id}, ${person}`, ANSWERS[door.id][at], got);
      }
    }
    for (const path of ELSEWHERE) {
      compare(path, 404, await ask({ method: 'GET', path }, adam));
    }
    const { text } = await ask({ method: 'GET', path: '/v1/me' }, alice);
    if (JSON.parse(text).user !== 'alice') wrong.push(`Alice is ${text}`);
  } finally {
    await clear();
  }
  if (wrong.length > 0) throw new Error(`doors:\n${wrong.join('\n')}`);
  tell(`${all.length} operations answer each as their rights say`);
}

async function allCanBeShown(token: string): Promise<boolean> {
  const path = '/v1/keys?namespace=consumer&q=doors-';
  const { text } = await ask({ method: 'GET', path }, token);
  const { items } = JSON.parse(text);
  const isReady = (it: { canReveal: boolean }) => it.canReveal;
  return items.length === PEOPLE.length && items.every(isReady);
}
