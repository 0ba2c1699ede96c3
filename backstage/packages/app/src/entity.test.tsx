import { render, screen } from '@testing-library/react';
import { createApp } from '@backstage/frontend-defaults';
import { mockApis } from '@backstage/frontend-test-utils';
import catalogPlugin from '@backstage/plugin-catalog/alpha';
import { catalogApiRef } from '@backstage/plugin-catalog-react';
import { catalogApiMock } from '@backstage/plugin-catalog-react/testUtils';
import devportalPlugin, {
  PortalApi,
  portalApiRef,
} from '@devportal/backstage-plugin-devportal';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { PRODUCT_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';

jest.setTimeout(60_000);

const data = {
  app: {
    baseUrl: 'http://localhost',
    title: 'Backstage',
    extensions: [
      { 'sign-in-page:app': false },
      { 'entity-content:devportal/access': { config: { path: '/plans' } } },
    ],
  },
  backend: { baseUrl: 'http://localhost' },
};

const entity = {
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'API',
  metadata: {
    namespace: 'default',
    name: 'toys',
    annotations: { [PRODUCT_ANNOTATION]: 'toystore/toys' },
  },
  spec: {
    type: 'openapi',
    lifecycle: 'production',
    owner: 'x',
    definition: '',
  },
};

const product: Product = {
  namespace: 'toystore',
  name: 'toys',
  created: '2026-11-01T10:00:00Z',
  conditions: [],
  hasOpenapi: false,
  hostnames: ['toys.example.com'],
  may: { edit: false, seeRequests: false },
  problems: [],
  plans: [{ tier: 'gold', limits: { daily: 1000 } }],
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

it('leads from the overview of an API to its tab of access, wherever that lies', async () => {
  window.history.pushState({}, '', '/catalog/default/api/toys');
  const fetch = async (input: unknown) =>
    `${input}`.endsWith('/toystore/toys')
      ? Response.json(product)
      : new Response(new ReadableStream());
  const app = createApp({
    features: [
      catalogPlugin.withOverrides({
        extensions: [
          catalogPlugin.getExtension('api:catalog').override({
            params: define =>
              define({
                api: catalogApiRef,
                deps: {},
                factory: () => catalogApiMock({ entities: [entity] }),
              }),
          }),
        ],
      }),
      devportalPlugin.withOverrides({
        extensions: [
          devportalPlugin.getExtension('api:devportal').override({
            params: define =>
              define({
                api: portalApiRef,
                deps: {},
                factory: () => new PortalApi({ fetch }),
              }),
          }),
        ],
      }),
    ],
    advanced: {
      configLoader: async () => ({ config: mockApis.config({ data }) }),
    },
  });
  render(app.createRoot());
  expect(
    await screen.findByRole(
      'link',
      { name: 'How to use this API' },
      { timeout: 40_000 },
    ),
  ).toHaveAttribute('href', '/catalog/default/api/toys/plans');
});
