import { BasicPermission } from '@backstage/plugin-permission-common';
import { operations as generated, paths } from './generated/portal';
import * as permissions from './permissions';

export type OperationId = keyof generated;

/** One operation of the portal's server. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** As in the OpenAPI document, with `{parameters}`. */
  readonly path: keyof paths;
  /** What Backstage asks for first; `undefined`: being signed in is enough. */
  readonly permission: BasicPermission | undefined;
}

/**
 * Everything that the plugin's backend passes on. The compiler refuses this file where an
 * operation of the server is missing or is no longer there.
 */
export const operations: Readonly<Record<OperationId, Operation>> = {
  getMe: { method: 'GET', path: '/v1/me', permission: undefined },
  getHealth: {
    method: 'GET',
    path: '/v1/health',
    permission: permissions.healthReadPermission,
  },
  listGrants: {
    method: 'GET',
    path: '/v1/grants',
    permission: permissions.healthReadPermission,
  },
  watchEvents: { method: 'GET', path: '/v1/events', permission: undefined },
  listProducts: {
    method: 'GET',
    path: '/v1/products',
    permission: permissions.productReadPermission,
  },
  createProduct: {
    method: 'POST',
    path: '/v1/products',
    permission: permissions.productCreatePermission,
  },
  listProductNamespaces: {
    method: 'GET',
    path: '/v1/products/namespaces',
    permission: permissions.productReadPermission,
  },
  getProduct: {
    method: 'GET',
    path: '/v1/products/{namespace}/{name}',
    permission: permissions.productReadPermission,
  },
  editProduct: {
    method: 'PATCH',
    path: '/v1/products/{namespace}/{name}',
    permission: permissions.productUpdatePermission,
  },
  deleteProduct: {
    method: 'DELETE',
    path: '/v1/products/{namespace}/{name}',
    permission: permissions.productDeletePermission,
  },
  getProductOpenapi: {
    method: 'GET',
    path: '/v1/products/{namespace}/{name}/openapi',
    permission: permissions.productReadPermission,
  },
  listRoutes: {
    method: 'GET',
    path: '/v1/routes',
    permission: permissions.routeReadPermission,
  },
  listKeys: {
    method: 'GET',
    path: '/v1/keys',
    permission: permissions.keyReadPermission,
  },
  createKey: {
    method: 'POST',
    path: '/v1/keys',
    permission: permissions.keyCreatePermission,
  },
  getKey: {
    method: 'GET',
    path: '/v1/keys/{namespace}/{name}',
    permission: permissions.keyReadPermission,
  },
  deleteKey: {
    method: 'DELETE',
    path: '/v1/keys/{namespace}/{name}',
    permission: permissions.keyDeletePermission,
  },
  revealKey: {
    method: 'POST',
    path: '/v1/keys/{namespace}/{name}/reveal',
    permission: permissions.keyRevealPermission,
  },
  rotateKey: {
    method: 'POST',
    path: '/v1/keys/{namespace}/{name}/rotate',
    permission: permissions.keyRotatePermission,
  },
  listRequests: {
    method: 'GET',
    path: '/v1/requests',
    permission: permissions.requestReadPermission,
  },
  getRequest: {
    method: 'GET',
    path: '/v1/requests/{namespace}/{name}',
    permission: permissions.requestReadPermission,
  },
  decideRequest: {
    method: 'POST',
    path: '/v1/requests/{namespace}/{name}/decision',
    permission: permissions.requestDecidePermission,
  },
};
