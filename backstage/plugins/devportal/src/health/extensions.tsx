/* The pages of health: tabs of one page. */
import {
  PageBlueprint,
  SubPageBlueprint,
} from '@backstage/frontend-plugin-api';
import { RiPulseLine } from '@remixicon/react';
import { healthReadPermission } from '@devportal/backstage-plugin-devportal-common';
import { devportalTranslationRef } from '../messages';
import { permitted } from '../permitted';
import { consistencyRouteRef, healthRouteRef } from '../routes';

const attachTo = { id: 'page:devportal/health', input: 'pages' };

export const healthPages = [
  PageBlueprint.make({
    name: 'health',
    if: permitted(healthReadPermission),
    params: {
      path: '/api-health',
      routeRef: healthRouteRef,
      title: devportalTranslationRef('health.title'),
      icon: <RiPulseLine />,
    },
  }),
  SubPageBlueprint.make({
    name: 'overview',
    attachTo,
    params: {
      path: 'overview',
      title: devportalTranslationRef('health.overview'),
      loader: () => import('./HealthPage').then(it => <it.HealthPage />),
    },
  }),
  SubPageBlueprint.make({
    name: 'consistency',
    attachTo,
    params: {
      path: 'consistency',
      routeRef: consistencyRouteRef,
      title: devportalTranslationRef('health.consistency'),
      loader: () =>
        import('./ConsistencyPage').then(it => <it.ConsistencyPage />),
    },
  }),
  SubPageBlueprint.make({
    name: 'access',
    attachTo,
    params: {
      path: 'access',
      title: devportalTranslationRef('health.access'),
      loader: () => import('./AccessPage').then(it => <it.AccessPage />),
    },
  }),
];
