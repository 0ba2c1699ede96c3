import {
  DEFAULT_NAMESPACE,
  parseEntityRef,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import { Config } from '@backstage/config';
import { devportalPermissions } from '@devportal/backstage-plugin-devportal-common';

/** Permissions of the portal, by the ref of the group that has them. */
export type Roles = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads `permission.devportal.roles`; a permission that does not exist is a mistake. */
export function readRoles(root: Config): Roles {
  const known = devportalPermissions.map(({ name }) => name);
  const roles = new Map<string, Set<string>>();
  for (const role of root.getOptionalConfigArray(
    'permission.devportal.roles',
  ) ?? []) {
    const group = refOf(role.getString('group'));
    const names = role.getStringArray('permissions');
    const unknown = names.find(name => name !== '*' && !known.includes(name));
    if (unknown !== undefined) {
      throw new Error(
        `permission.devportal.roles: there is no permission '${unknown}'; there are ${known.join(
          ', ',
        )}`,
      );
    }
    const has = roles.get(group) ?? new Set<string>();
    (names.includes('*') ? known : names).forEach(name => has.add(name));
    roles.set(group, has);
  }
  return roles;
}

/** Whether one of the groups has the permission. */
export function isGiven(
  roles: Roles,
  groups: string[],
  permission: string,
): boolean {
  return groups.some(group => roles.get(refOf(group))?.has(permission));
}

function refOf(group: string): string {
  return stringifyEntityRef(
    parseEntityRef(group, {
      defaultKind: 'Group',
      defaultNamespace: DEFAULT_NAMESPACE,
    }),
  );
}
