import {
  coreServices,
  createBackendModule,
} from '@backstage/backend-plugin-api';
import { policyExtensionPoint } from '@backstage/plugin-permission-node/alpha';
import { readGroupNaming } from '@devportal/backstage-plugin-devportal-node';
import { DevportalPolicy } from './policy';
import { readRoles } from './roles';

/** The demo's permission policy, configured under `permission.devportal`. */
export const permissionModuleDevportal = createBackendModule({
  pluginId: 'permission',
  moduleId: 'devportal',
  register(env) {
    env.registerInit({
      deps: {
        config: coreServices.rootConfig,
        policy: policyExtensionPoint,
        userInfo: coreServices.userInfo,
      },
      async init({ config, policy, userInfo }) {
        policy.setPolicy(
          new DevportalPolicy(
            readRoles(config),
            readGroupNaming(config),
            userInfo,
          ),
        );
      },
    });
  },
});
