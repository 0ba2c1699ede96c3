/* What the portal's server answers, for tests. */
import type {
  Key,
  Myself,
  Product,
} from '@devportal/backstage-plugin-devportal-common';

export const me: Myself = {
  user: 'alice',
  email: 'alice@example.com',
  groups: ['consumers'],
  decides: false,
  pendingRequests: 0,
  publishIn: [],
  requestIn: ['consumer'],
  seesKeys: true,
  seesRequests: false,
};

export const product: Product = {
  namespace: 'toystore',
  name: 'toys',
  created: '2026-11-01T10:00:00Z',
  conditions: [],
  hasOpenapi: false,
  hostnames: ['toys.example.com'],
  url: 'https://toys.example.com/',
  may: { edit: false, seeRequests: false },
  problems: [],
  plans: [
    { tier: 'gold', limits: { daily: 1000 } },
    { tier: 'silver', limits: { custom: [{ limit: 5, window: '10s' }] } },
  ],
  spec: {
    displayName: 'Toys',
    approvalMode: 'automatic',
    publishStatus: 'Published',
    targetRef: {
      group: 'gateway.networking.k8s.io',
      kind: 'HTTPRoute',
      name: 'toystore',
    },
  },
};

export const key: Key = {
  namespace: 'consumer',
  name: 'toys-1',
  product: { namespace: 'toystore', name: 'toys' },
  created: '2026-11-01T10:00:00Z',
  state: 'Approved',
  tier: 'gold',
  askedTier: 'gold',
  canReveal: true,
  may: { reveal: true, rotate: true, delete: true },
  delivery: 'Once',
  conditions: [],
  values: [{ revision: 1 }],
  requestedBy: { userId: 'alice', email: 'alice@example.com' },
  hostname: 'toys.example.com',
  url: 'https://toys.example.com/',
  credentials: { authorizationHeader: { prefix: 'APIKEY' } },
};
