import {
  BackstageCredentials,
  BackstageUserPrincipal,
  HttpAuthService,
  PermissionsService,
} from '@backstage/backend-plugin-api';
import { NotAllowedError, NotFoundError } from '@backstage/errors';
import {
  AuthorizeResult,
  BasicPermission,
} from '@backstage/plugin-permission-common';
import {
  operations,
  Operation,
} from '@devportal/backstage-plugin-devportal-common';
import { impersonation } from '@devportal/backstage-plugin-devportal-node';
import { Request, Router } from 'express';
import PromiseRouter from 'express-promise-router';
import { Forwarder } from './forward';
import { Identity } from './identity';

interface Deps {
  forwarder: Forwarder;
  httpAuth: HttpAuthService;
  identity: Identity;
  permissions: PermissionsService;
}

/** Serves the operations of the table, for people who are signed in, and nothing else. */
export function createRouter(deps: Deps): Router {
  const { forwarder, httpAuth, identity, permissions } = deps;
  const router = PromiseRouter({ strict: true, caseSensitive: true });
  for (const [id, operation] of Object.entries(operations)) {
    const pattern = operation.path.replace(/\{(\w+)\}/g, ':$1');
    router.all(pattern, async (req, res) => {
      // Not by `router.get`, which takes HEAD as well.
      if (req.method !== operation.method) return 'next';
      const credentials = await httpAuth.credentials(req, { allow: ['user'] });
      await check(permissions, operation.permission, credentials);
      const path = pathOf(operation, req);
      const person = await identity.personOf(credentials);
      const target = { path, headers: impersonation(person), label: id };
      if (id === 'watchEvents') {
        await forwarder.stream(req, res, target, credentials.expiresAt);
      } else {
        await forwarder.forward(req, res, target);
      }
      return undefined;
    });
  }
  router.use(() => {
    throw new NotFoundError('The portal has no such address.');
  });
  return router;
}

async function check(
  permissions: PermissionsService,
  permission: BasicPermission | undefined,
  credentials: BackstageCredentials<BackstageUserPrincipal>,
): Promise<void> {
  if (!permission) return;
  const [decision] = await permissions.authorize([{ permission }], {
    credentials,
  });
  if (decision.result !== AuthorizeResult.ALLOW) {
    throw new NotAllowedError(
      `This takes the permission '${permission.name}', which you do not have in Backstage. Ask whoever runs Backstage for it.`,
    );
  }
}

/** Names of Kubernetes objects. Others name nothing, and might lead elsewhere: `..`, `a/b`. */
const NAME = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

/** The address at the portal's server, with the query as it came. */
function pathOf(operation: Operation, req: Request): string {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, parameter) => {
    const value = req.params[parameter];
    if (!NAME.test(value)) {
      throw new NotFoundError(
        `There is no object with this ${parameter}: it is not a name in Kubernetes.`,
      );
    }
    return encodeURIComponent(value);
  });
  const query = req.url.indexOf('?');
  return query < 0 ? path : path + req.url.slice(query);
}
