/* The pages of access requests. */
import { PageBlueprint } from '@backstage/frontend-plugin-api';
import { RiInboxLine } from '@remixicon/react';
import { requestReadPermission } from '@devportal/backstage-plugin-devportal-common';
import { devportalTranslationRef } from '../messages';
import { permitted } from '../permitted';
import { requestRouteRef, requestsRouteRef } from '../routes';

export const requestPages = [
  PageBlueprint.make({
    name: 'requests',
    if: permitted(requestReadPermission),
    params: {
      path: '/api-requests',
      routeRef: requestsRouteRef,
      title: devportalTranslationRef('requests.title'),
      icon: <RiInboxLine />,
      loader: () => import('./RequestsPage').then(it => <it.RequestsPage />),
    },
  }),
  PageBlueprint.make({
    name: 'request',
    if: permitted(requestReadPermission),
    params: {
      path: '/api-requests/:namespace/:name',
      routeRef: requestRouteRef,
      title: devportalTranslationRef('requests.one'),
      icon: <RiInboxLine />,
      loader: () => import('./RequestPage').then(it => <it.RequestPage />),
    },
  }),
];
