import { render, screen, within } from '@testing-library/react';
import { createApp } from '@backstage/frontend-defaults';
import {
  ApiBlueprint,
  createApiRef,
  createFrontendModule,
} from '@backstage/frontend-plugin-api';
import type { ExtensionDefinition } from '@backstage/frontend-plugin-api';
import { mockApis } from '@backstage/frontend-test-utils';
import { devportalPermissions } from '@devportal/backstage-plugin-devportal-common';
import plugin from './plugin';

jest.setTimeout(30_000);

type PermissionApi = {
  authorize(request: {
    permission: { name: string; attributes: { action?: string } };
  }): Promise<unknown>;
};

const permissionApiRef = createApiRef<PermissionApi>({
  id: 'plugin.permission.api',
});

const data = {
  app: {
    baseUrl: 'http://localhost',
    title: 'Backstage',
    // Everybody is a guest.
    extensions: [{ 'sign-in-page:app': false }],
  },
  backend: { baseUrl: 'http://localhost' },
};

/** What Backstage's own menu has, with these parts of the app besides the plugin. */
async function menuWith(...extensions: ExtensionDefinition[]) {
  const app = createApp({
    features: [plugin, createFrontendModule({ pluginId: 'app', extensions })],
    advanced: {
      configLoader: async () => ({ config: mockApis.config({ data }) }),
    },
  });
  render(app.createRoot());
  const menu = await screen.findByRole(
    'navigation',
    { name: 'sidebar nav' },
    // The whole app starts.
    { timeout: 20_000 },
  );
  const links = await within(menu).findAllByRole('link');
  return links.map(it => it.textContent);
}

/** For somebody to whom Backstage permits these. */
const menuOf = (...names: string[]) =>
  menuWith(
    ApiBlueprint.make({
      name: 'permission',
      params: define =>
        define({
          api: permissionApiRef,
          deps: {},
          factory: () => ({
            authorize: async ({ permission: { name, attributes } }) => ({
              result:
                names.includes(name) && attributes.action ? 'ALLOW' : 'DENY',
            }),
          }),
        }),
    }),
  );

const EVERYTHING = [
  'APIs',
  'My keys',
  'Access requests',
  'API products',
  'Portal health',
];

describe('Backstage’s own menu', () => {
  it('leads a consumer to APIs and keys', async () => {
    expect(
      await menuOf('devportal.product.read', 'devportal.key.read'),
    ).toEqual(['APIs', 'My keys']);
  });

  it('leads an owner to requests and products', async () => {
    expect(
      await menuOf(
        'devportal.product.read',
        'devportal.product.update',
        'devportal.request.read',
      ),
    ).toEqual(['APIs', 'Access requests', 'API products']);
  });

  it('leads an administrator everywhere', async () => {
    const names = devportalPermissions.map(it => it.name);
    expect(await menuOf(...names)).toEqual(EVERYTHING);
  });

  it('leads everybody everywhere where Backstage decides about nothing', async () => {
    expect(await menuWith()).toEqual(EVERYTHING);
  });
});
