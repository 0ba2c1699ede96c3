import { UserInfoService } from '@backstage/backend-plugin-api';
import { catalogEntityReadPermission } from '@backstage/plugin-catalog-common/alpha';
import {
  AuthorizeResult,
  isPermission,
  PolicyDecision,
} from '@backstage/plugin-permission-common';
import {
  PermissionPolicy,
  PolicyQuery,
  PolicyQueryUser,
} from '@backstage/plugin-permission-node';
import { devportalPermissions } from '@devportal/backstage-plugin-devportal-common';
import {
  conditions,
  createConditionalDecision,
  GroupNaming,
  groupNames,
} from '@devportal/backstage-plugin-devportal-node';
import { isGiven, Roles } from './roles';

const ALLOW: PolicyDecision = { result: AuthorizeResult.ALLOW };
const DENY: PolicyDecision = { result: AuthorizeResult.DENY };

/**
 * Who may do what in the demo: with the portal what their groups' roles say, and otherwise
 * only read. Of the catalog everybody reads all but products that are for other groups.
 */
export class DevportalPolicy implements PermissionPolicy {
  constructor(
    private readonly roles: Roles,
    private readonly naming: GroupNaming,
    private readonly userInfo: UserInfoService,
  ) {}

  async handle(
    { permission }: PolicyQuery,
    user?: PolicyQueryUser,
  ): Promise<PolicyDecision> {
    if (!user) return DENY;
    const { ownershipEntityRefs } = await this.userInfo.getUserInfo(
      user.credentials,
    );
    if (devportalPermissions.some(it => isPermission(permission, it))) {
      const groups = ownershipEntityRefs.filter(ref =>
        ref.toLocaleLowerCase('en-US').startsWith('group:'),
      );
      return isGiven(this.roles, groups, permission.name) ? ALLOW : DENY;
    }
    if (isPermission(permission, catalogEntityReadPermission)) {
      const groups = groupNames(ownershipEntityRefs, this.naming);
      return createConditionalDecision(
        permission,
        conditions.isProductFor({ groups }),
      );
    }
    return permission.attributes.action === 'read' ? ALLOW : DENY;
  }
}
