import {
  AuthService,
  BackstageCredentials,
  BackstageUserPrincipal,
  UserInfoService,
} from '@backstage/backend-plugin-api';
import {
  DEFAULT_NAMESPACE,
  Entity,
  parseEntityRef,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import { Config } from '@backstage/config';
import { NotAllowedError } from '@backstage/errors';
import { CatalogService } from '@backstage/plugin-catalog-node';
import {
  GroupNaming,
  groupNames,
  Person,
  readGroupNaming,
} from '@devportal/backstage-plugin-devportal-node';
import { Remembered } from './remembered';

type UserNaming = 'ref' | 'name' | { annotation: string };

interface Services {
  auth: AuthService;
  catalog: CatalogService;
  userInfo: UserInfoService;
}

/** Tells as whom somebody of Backstage is to act in the cluster. */
export class Identity {
  private readonly entities: Remembered<Entity | undefined>;

  private constructor(
    private readonly users: UserNaming,
    private readonly groups: GroupNaming,
    private readonly services: Services,
  ) {
    this.entities = new Remembered(ref => this.findEntity(ref), {
      forMs: 60_000,
      atMost: 1000,
    });
  }

  /** As `devportal.identity` of the configuration says. */
  static fromConfig(root: Config, services: Services): Identity {
    return new Identity(readUserNaming(root), readGroupNaming(root), services);
  }

  async personOf(
    credentials: BackstageCredentials<BackstageUserPrincipal>,
  ): Promise<Person> {
    const { userEntityRef, ownershipEntityRefs } =
      await this.services.userInfo.getUserInfo(credentials);
    const ref = stringifyEntityRef(parseEntityRef(userEntityRef));
    const entity = await this.entities.get(ref);
    return {
      user: this.userName(ref, entity),
      groups: groupNames(ownershipEntityRefs, this.groups),
      email: emailOf(entity),
    };
  }

  private userName(ref: string, entity: Entity | undefined): string {
    if (this.users === 'ref') return `backstage:${ref}`;
    if (this.users === 'name') {
      const { namespace, name } = parseEntityRef(ref);
      // user:default/alice and user:guests/alice are two people. By name they would be one,
      // and whoever may make users in any namespace could be anybody in the cluster.
      if (namespace !== DEFAULT_NAMESPACE) {
        throw new NotAllowedError(
          `The portal knows only users of the namespace '${DEFAULT_NAMESPACE}', and you are '${ref}'. Ask whoever runs Backstage for another user.`,
        );
      }
      return name;
    }
    const { annotation } = this.users;
    const name = entity?.metadata.annotations?.[annotation];
    if (name === undefined) {
      throw new NotAllowedError(
        `Your user '${ref}' in the catalog has no annotation '${annotation}', which says who you are in the cluster. Ask whoever runs Backstage to add it.`,
      );
    }
    return name;
  }

  /** With the plugin's own rights: a person need not be allowed to see themselves. */
  private async findEntity(ref: string): Promise<Entity | undefined> {
    const { auth, catalog } = this.services;
    const credentials = await auth.getOwnServiceCredentials();
    return catalog.getEntityByRef(ref, { credentials });
  }
}

function readUserNaming(root: Config): UserNaming {
  const key = 'devportal.identity.user';
  const naming = root.getOptional(key) ?? 'ref';
  if (naming === 'ref' || naming === 'name') return naming;
  if (typeof naming === 'string') {
    throw new Error(`${key} must be 'ref', 'name' or have an 'annotation'`);
  }
  return { annotation: root.getString(`${key}.annotation`) };
}

function emailOf(entity: Entity | undefined): string | undefined {
  const profile = entity?.spec?.profile;
  if (typeof profile !== 'object' || profile === null) return undefined;
  const email = 'email' in profile ? profile.email : undefined;
  return typeof email === 'string' && email !== '' ? email : undefined;
}
