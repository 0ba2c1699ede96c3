/* The pages of keys. */
import { PageBlueprint } from '@backstage/frontend-plugin-api';
import { RiKey2Line } from '@remixicon/react';
import { keyReadPermission } from '@devportal/backstage-plugin-devportal-common';
import { devportalTranslationRef } from '../messages';
import { permitted } from '../permitted';
import { keyRouteRef, keysRouteRef } from '../routes';

export const keyPages = [
  PageBlueprint.make({
    name: 'keys',
    if: permitted(keyReadPermission),
    params: {
      path: '/api-keys',
      routeRef: keysRouteRef,
      title: devportalTranslationRef('keys.title'),
      icon: <RiKey2Line />,
      loader: () => import('./KeysPage').then(it => <it.KeysPage />),
    },
  }),
  PageBlueprint.make({
    name: 'key',
    if: permitted(keyReadPermission),
    params: {
      path: '/api-keys/:namespace/:name',
      routeRef: keyRouteRef,
      title: devportalTranslationRef('keys.title'),
      icon: <RiKey2Line />,
      loader: () => import('./KeyPage').then(it => <it.KeyPage />),
    },
  }),
];
