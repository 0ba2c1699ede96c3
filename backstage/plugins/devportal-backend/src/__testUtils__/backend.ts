import {
  BackstageUserInfo,
  createServiceFactory,
  coreServices,
} from '@backstage/backend-plugin-api';
import {
  mockCredentials,
  mockServices,
  startTestBackend,
} from '@backstage/backend-test-utils';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import { AuthorizeResult } from '@backstage/plugin-permission-common';
import { JsonObject } from '@backstage/types';
import plugin from '..';

/** Alice, as the catalog has her. */
export const alice = {
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'User',
  metadata: {
    name: 'alice',
    namespace: 'default',
    annotations: { 'example.com/cluster-user': 'alice@cluster' },
  },
  spec: { profile: { email: 'alice@example.com' }, memberOf: ['consumers'] },
};

export const asAlice = mockCredentials.user.header('user:default/alice');

/** A backend with the plugin, whose users are Alice unless `info` says otherwise. */
export async function startBackend(options: {
  server: JsonObject;
  identity?: JsonObject;
  result?: AuthorizeResult.ALLOW | AuthorizeResult.DENY;
  info?: Partial<BackstageUserInfo>;
}) {
  const { server, identity, info } = options;
  return startTestBackend({
    features: [
      plugin,
      mockServices.rootConfig.factory({
        data: { devportal: { server, ...(identity && { identity }) } },
      }),
      mockServices.httpAuth.factory({
        defaultCredentials: mockCredentials.none(),
      }),
      mockServices.permissions.factory({
        result: options.result ?? AuthorizeResult.ALLOW,
      }),
      createServiceFactory({
        service: coreServices.userInfo,
        deps: {},
        factory: () =>
          mockServices.userInfo({
            ownershipEntityRefs: [
              'user:default/alice',
              'group:default/consumers',
              'group:default/readers',
            ],
            ...info,
          }),
      }),
      catalogServiceMock.factory({ entities: [alice] }),
    ],
  });
}
