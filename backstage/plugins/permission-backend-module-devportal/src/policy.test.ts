import { ConfigReader } from '@backstage/config';
import { mockCredentials, mockServices } from '@backstage/backend-test-utils';
import {
  catalogEntityCreatePermission,
  catalogEntityDeletePermission,
  catalogEntityReadPermission,
  catalogEntityRefreshPermission,
  catalogLocationCreatePermission,
  catalogLocationReadPermission,
} from '@backstage/plugin-catalog-common/alpha';
import { Permission } from '@backstage/plugin-permission-common';
import {
  devportalPermissions,
  keyRevealPermission,
  productDeletePermission,
  productReadPermission,
} from '@devportal/backstage-plugin-devportal-common';
import { DevportalPolicy } from './policy';
import { readRoles } from './roles';

const roles = readRoles(
  new ConfigReader({
    permission: {
      devportal: {
        roles: [
          {
            group: 'consumers',
            permissions: ['devportal.product.read', 'devportal.key.reveal'],
          },
          { group: 'group:other/admins', permissions: ['*'] },
        ],
      },
    },
  }),
);

/** What the policy says to a member of these groups. */
async function ask(permission: Permission, ...groups: string[]) {
  const credentials = mockCredentials.user();
  const info = {
    userEntityRef: 'user:default/mock',
    ownershipEntityRefs: ['user:default/consumers', ...groups],
  };
  const policy = new DevportalPolicy(
    roles,
    'name',
    mockServices.userInfo(info),
  );
  return policy.handle({ permission }, { credentials, info });
}

describe('the policy', () => {
  it('denies everything to whoever is not signed in', async () => {
    const policy = new DevportalPolicy(roles, 'name', mockServices.userInfo());
    for (const permission of [
      ...devportalPermissions,
      catalogEntityReadPermission,
      catalogLocationReadPermission,
    ]) {
      expect(await policy.handle({ permission })).toEqual({ result: 'DENY' });
    }
  });

  it('gives the members of a group what its role says', async () => {
    const group = 'group:default/consumers';
    const allow = { result: 'ALLOW' };
    expect(await ask(productReadPermission, group)).toEqual(allow);
    expect(await ask(keyRevealPermission, group)).toEqual(allow);
    expect(await ask(productDeletePermission, group)).toEqual({
      result: 'DENY',
    });
  });

  it('gives nothing to a user or another group of the same name', async () => {
    expect(await ask(productReadPermission)).toEqual({ result: 'DENY' });
    expect(await ask(productReadPermission, 'group:x/consumers')).toEqual({
      result: 'DENY',
    });
  });

  it('gives all of the portal’s permissions for a star', async () => {
    for (const permission of devportalPermissions) {
      expect(await ask(permission, 'group:other/admins')).toEqual({
        result: 'ALLOW',
      });
    }
  });

  it('lets people see of the catalog what is for them', async () => {
    expect(
      await ask(catalogEntityReadPermission, 'group:default/consumers'),
    ).toEqual({
      result: 'CONDITIONAL',
      pluginId: 'catalog',
      resourceType: 'catalog-entity',
      conditions: {
        rule: 'IS_PRODUCT_FOR',
        resourceType: 'catalog-entity',
        params: { groups: ['consumers'] },
      },
    });
  });

  it('lets nobody write to the catalog, and everybody read the rest', async () => {
    for (const permission of [
      catalogEntityCreatePermission,
      catalogEntityDeletePermission,
      catalogEntityRefreshPermission,
      catalogLocationCreatePermission,
    ]) {
      expect(await ask(permission, 'group:other/admins')).toEqual({
        result: 'DENY',
      });
    }
    expect(await ask(catalogLocationReadPermission)).toEqual({
      result: 'ALLOW',
    });
  });

  it('does not start with a role that names no permission', () => {
    const permissions = ['devportal.key.revael'];
    const wrong = { devportal: { roles: [{ group: 'a', permissions }] } };
    expect(() => readRoles(new ConfigReader({ permission: wrong }))).toThrow(
      "there is no permission 'devportal.key.revael'",
    );
  });
});
