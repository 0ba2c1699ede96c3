import { createPermission } from '@backstage/plugin-permission-common';

/**
 * What Backstage may refuse before the portal's server is asked. The cluster's own rights
 * are checked there again: these permissions can only take away.
 */
export const productReadPermission = createPermission({
  name: 'devportal.product.read',
  attributes: { action: 'read' },
});

export const productCreatePermission = createPermission({
  name: 'devportal.product.create',
  attributes: { action: 'create' },
});

export const productUpdatePermission = createPermission({
  name: 'devportal.product.update',
  attributes: { action: 'update' },
});

export const productDeletePermission = createPermission({
  name: 'devportal.product.delete',
  attributes: { action: 'delete' },
});

export const keyReadPermission = createPermission({
  name: 'devportal.key.read',
  attributes: { action: 'read' },
});

export const keyCreatePermission = createPermission({
  name: 'devportal.key.create',
  attributes: { action: 'create' },
});

export const keyDeletePermission = createPermission({
  name: 'devportal.key.delete',
  attributes: { action: 'delete' },
});

/** Not `read`: a policy that allows all that reads must not give values away. */
export const keyRevealPermission = createPermission({
  name: 'devportal.key.reveal',
  attributes: { action: 'update' },
});

export const keyRotatePermission = createPermission({
  name: 'devportal.key.rotate',
  attributes: { action: 'update' },
});

export const requestReadPermission = createPermission({
  name: 'devportal.request.read',
  attributes: { action: 'read' },
});

export const requestDecidePermission = createPermission({
  name: 'devportal.request.decide',
  attributes: { action: 'update' },
});

export const routeReadPermission = createPermission({
  name: 'devportal.route.read',
  attributes: { action: 'read' },
});

export const healthReadPermission = createPermission({
  name: 'devportal.health.read',
  attributes: { action: 'read' },
});

/** All of the plugin's permissions. */
export const devportalPermissions = [
  productReadPermission,
  productCreatePermission,
  productUpdatePermission,
  productDeletePermission,
  keyReadPermission,
  keyCreatePermission,
  keyDeletePermission,
  keyRevealPermission,
  keyRotatePermission,
  requestReadPermission,
  requestDecidePermission,
  routeReadPermission,
  healthReadPermission,
];
