/*
 * What stands behind the doors of Backstage? For each person objects of their own, so that
 * nobody finds one gone or decided on: a product, a key of Alice's with a value to be shown,
 * and a request that waits.
 */
import { createHash } from 'node:crypto';
import { kubectl } from './stack';

export const PEOPLE = ['alice', 'olivia', 'adam', 'petra', 'oscar'] as const;
export type Person = (typeof PEOPLE)[number];

type Spec = Record<string, unknown>;

/** An operation of the portal's server; its path has `{parameters}`. */
export type Door = { id: string; method: string; path: string };

/** As the controller names the request for a key. */
function requestName(key: string): string {
  const hash = createHash('sha256').update(`consumer/${key}`).digest('hex');
  return `consumer-${key}-${hash.slice(0, 8)}`;
}

/** The path to what is a person's. */
export function pathFor({ id, path }: Door, person: Person): string {
  const mine: Record<string, string> = {
    products: `toystore/doors-${person}`,
    keys: `consumer/doors-${person}`,
    requests: `toystore/${requestName(`waits-${person}`)}`,
  };
  // A document takes a while to be fetched: the sample's is there.
  const isDocument = id === 'getProductOpenapi';
  const found = isDocument ? 'toystore/toystore' : mine[path.split('/')[2]];
  const [namespace, name] = found?.split('/') ?? [];
  return path.replace('{namespace}', namespace).replace('{name}', name);
}

/** What is sent, where something has to be. */
export function bodyFor(
  id: string,
  person: Person,
  spec: Spec,
): object | undefined {
  switch (id) {
    case 'createProduct':
      return { namespace: 'toystore', name: `made-${person}`, spec };
    case 'editProduct':
      return { spec: { description: `Edited by ${person}` } };
    case 'createKey':
      return {
        namespace: 'consumer',
        name: `made-${person}`,
        planTier: 'bronze',
        product: { namespace: 'toystore', name: 'toystore' },
      };
    case 'rotateKey':
      return { overlap: '0s' };
    case 'decideRequest':
      return { approved: false, message: 'No' };
    default:
      return undefined;
  }
}

/** The sample's product, after which the others are made. */
export async function sampleSpec(): Promise<Spec> {
  const sample = ['apiproduct', 'toystore', '--namespace=toystore'];
  const read = ['get', ...sample, '--output=json'];
  return JSON.parse(await kubectl('olivia', read)).spec;
}

export async function build(spec: Spec): Promise<void> {
  const apiVersion = 'devportal.kuadrant.io/v1alpha1';
  const product = (person: Person) => ({
    apiVersion,
    kind: 'APIProduct',
    metadata: { name: `doors-${person}`, namespace: 'toystore' },
    spec,
  });
  const key = (name: string, to: string) => ({
    apiVersion,
    kind: 'APIKey',
    metadata: { name, namespace: 'consumer' },
    spec: {
      apiProductRef: { namespace: 'toystore', name: to },
      planTier: 'bronze',
      delivery: 'Once',
      requestedBy: { userId: 'alice', email: 'alice@example.com' },
    },
  });
  const create = (who: Person, items: object[]) =>
    kubectl(who, ['create', '--filename=-'], {
      apiVersion: 'v1',
      kind: 'List',
      items,
    });
  await create('olivia', PEOPLE.map(product));
  const keys = PEOPLE.flatMap(it => [
    key(`doors-${it}`, 'toystore'),
    key(`waits-${it}`, 'toystore-pro'),
  ]);
  await create('alice', keys);
}

export async function clear(): Promise<void> {
  const named = (...kinds: string[]) =>
    kinds.flatMap(kind => PEOPLE.map(it => `${kind}-${it}`));
  const remove = (kind: string, namespace: string, names: string[]) =>
    kubectl('admin', [
      ...['delete', kind, ...names],
      ...[`--namespace=${namespace}`, '--ignore-not-found'],
    ]);
  await remove('apikeys', 'consumer', named('doors', 'waits', 'made'));
  await remove('apiproducts', 'toystore', named('doors', 'made'));
}
