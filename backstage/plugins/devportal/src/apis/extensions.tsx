/* The page of all APIs, and that of each. */
import { PageBlueprint } from '@backstage/frontend-plugin-api';
import { RiApps2Line } from '@remixicon/react';
import { productReadPermission } from '@devportal/backstage-plugin-devportal-common';
import { devportalTranslationRef } from '../messages';
import { permitted } from '../permitted';
import { apiRouteRef, apisRouteRef } from '../routes';

export const apiPages = [
  PageBlueprint.make({
    name: 'apis',
    if: permitted(productReadPermission),
    params: {
      path: '/apis',
      routeRef: apisRouteRef,
      title: devportalTranslationRef('apis.title'),
      icon: <RiApps2Line />,
      loader: () => import('./ApisPage').then(it => <it.ApisPage />),
    },
  }),
  PageBlueprint.make({
    name: 'api',
    if: permitted(productReadPermission),
    params: {
      path: '/apis/:namespace/:name',
      routeRef: apiRouteRef,
      title: devportalTranslationRef('apis.title'),
      icon: <RiApps2Line />,
      loader: () => import('./ApiPage').then(it => <it.ApiPage />),
    },
  }),
];
