import {
  apiEntityV1alpha1Validator,
  entityEnvelopeSchemaValidator,
  FieldFormatEntityPolicy,
  makeValidator,
} from '@backstage/catalog-model';
import {
  Product,
  ProductSpec,
} from '@devportal/backstage-plugin-devportal-common';
import { visibilityKey } from '@devportal/backstage-plugin-devportal-node';
import { entityName, entityOf, entityRefOf, linksOf, tagsOf } from './entity';
import { ownerRef } from './owner';

const spec: ProductSpec = {
  approvalMode: 'manual',
  displayName: 'Toys',
  publishStatus: 'Published',
  targetRef: {
    group: 'gateway.networking.k8s.io',
    kind: 'HTTPRoute',
    name: 'toys-route',
  },
};

function product(more: Partial<ProductSpec> = {}, name = 'toys'): Product {
  return {
    namespace: 'toystore',
    name,
    spec: { ...spec, ...more },
    conditions: [],
    created: '2026-11-28T04:20:58Z',
    hasOpenapi: true,
    hostnames: [],
    may: { edit: false, seeRequests: false },
    plans: [],
    problems: [],
  };
}

describe('a product in the catalog', () => {
  it('is an API with what its owner wrote', () => {
    const entity = entityOf(
      product({
        description: 'Browse the toys.',
        tags: ['Toys & Games', 'retail'],
        documentation: { docsURL: 'https://example.com/docs' },
        contact: { team: 'Toy Store', email: 'toys@example.com' },
        visibility: { groups: ['consumers', 'partners'] },
      }),
      'openapi: 3.1.0',
    );
    expect(entity).toEqual({
      apiVersion: 'backstage.io/v1alpha1',
      kind: 'API',
      metadata: {
        namespace: 'toystore',
        name: 'toys',
        title: 'Toys',
        description: 'Browse the toys.',
        annotations: {
          'backstage.io/managed-by-location': 'devportal:toystore/toys',
          'backstage.io/managed-by-origin-location': 'devportal:toystore/toys',
          'devportal.kuadrant.io/product': 'toystore/toys',
          'devportal.kuadrant.io/httproute': 'toystore/toys-route',
          'devportal.kuadrant.io/visible-to': 'consumers,partners',
        },
        tags: ['toys-games', 'retail'],
        links: [
          { url: 'https://example.com/docs', title: 'Documentation' },
          { url: 'mailto:toys@example.com', title: 'toys@example.com' },
        ],
      },
      spec: {
        type: 'openapi',
        lifecycle: 'production',
        owner: 'group:default/toy-store',
        definition: 'openapi: 3.1.0',
        visibleTo: ['consumers', 'partners'].map(visibilityKey),
      },
    });
  });

  it('says so where there is no document', () => {
    expect(entityOf(product()).spec).toEqual({
      type: 'other',
      lifecycle: 'production',
      owner: 'group:default/unknown',
      definition: 'No OpenAPI document is known for this API.',
    });
  });

  it.each([
    ['plain', product()],
    ['long', product({ tags: ['x'.repeat(99)] }, `${'a.b-'.repeat(60)}c`)],
    ['odd', product({ tags: ['', '--', 'ä ö'], displayName: '🧸' }, 'a.b')],
    ['nameless', product({ displayName: ' ' })],
    ['without a name', product({ displayName: '' })],
  ])('is valid in Backstage: %s', async (_, it) => {
    const entity = entityOf(it);
    expect(() => entityEnvelopeSchemaValidator()(entity)).not.toThrow();
    expect(await apiEntityV1alpha1Validator.check(entity)).toBe(true);
    await new FieldFormatEntityPolicy(makeValidator()).enforce(entity);
  });
});

describe('the name', () => {
  it('is the product’s own where it fits', () => {
    expect(entityName('toys.v2')).toBe('toys.v2');
    expect(entityName('a'.repeat(63))).toBe('a'.repeat(63));
  });

  it('tells long names apart that begin alike', () => {
    const [one, other] = ['x', 'y'].map(it => entityName('a'.repeat(70) + it));
    expect(one).toMatch(/^a{54}-[0-9a-f]{8}$/);
    expect(other).toMatch(/^a{54}-[0-9a-f]{8}$/);
    expect(one).not.toBe(other);
  });

  it('of one that is gone is the same', () => {
    const it = product({}, 'a'.repeat(70));
    const { namespace, name } = entityOf(it).metadata;
    expect(entityRefOf(it)).toBe(`api:${namespace}/${name}`);
  });
});

it('tags are made to fit, and named once', () => {
  expect(
    tagsOf(['C++', 'c#', 'REST API', 'rest-api', ' ', '_x_', 'Ü']),
  ).toEqual(['c++', 'c#', 'rest-api', 'x']);
});

it('a description loads no image and hides no address', () => {
  const description = '<img src="x"> ![x](//y) [here](//z) 2 * 3 \\[a';
  const { metadata } = entityOf(product({ description }));
  expect(metadata.description).toBe(
    '\\<img src="x"> !\\[x](//y) \\[here](//z) 2 * 3 \\\\\\[a',
  );
});

it.each([
  'a@b?bcc=c@d',
  // eslint-disable-next-line no-script-url -- what must not become a link
  'javascript:alert(1)',
  'a@b, c@d',
  'a@b&x=y',
  'a,b@c',
  'a%0Ab@c',
])('an e-mail address is one, and not %s', email => {
  expect(linksOf({ ...spec, contact: { email } })).toEqual([]);
});

it('links lead only where one may click', () => {
  const links = linksOf({
    ...spec,
    documentation: {
      // eslint-disable-next-line no-script-url -- what must not become a link
      docsURL: 'javascript:alert(1)',
      swaggerUI: 'data:text/html,x',
      openAPISpecURL: 'file:///etc/passwd',
      gitRepository: 'http://example.com/git',
    },
    contact: { url: 'not an address', email: '', slack: '#toys', team: 'T' },
  });
  expect(links).toEqual([
    { url: 'http://example.com/git', title: 'Source code' },
  ]);
});

it.each<[string, Partial<ProductSpec>]>([
  ['user:default/alice', { owner: { kind: 'User', name: 'alice' } }],
  ['group:default/toys', { owner: { kind: 'Group', name: 'toys' } }],
  ['group:shop/toys', { owner: { kind: 'Group', name: 'shop/toys' } }],
  ['user:default/bob', { owner: { kind: 'User', name: 'user:default/bob' } }],
  [
    'group:default/the-toy-team',
    { owner: { kind: 'Group', name: 'The Toy Team!' } },
  ],
  [
    'group:default/user-default-bob',
    { owner: { kind: 'Group', name: 'user:default/bob' } },
  ],
  ['group:default/api-team', { contact: { team: 'API Team' } }],
  ['group:default/unknown', { contact: { team: '🧸' } }],
  ['group:default/unknown', {}],
])('%s owns a product of %j', (ref, more) => {
  expect(ownerRef({ ...spec, ...more })).toBe(ref);
});
