/* What the catalog's pages of APIs show of the portal. */
import {
  EntityCardBlueprint,
  EntityContentBlueprint,
} from '@backstage/plugin-catalog-react/alpha';
import { devportalTranslationRef } from '../messages';
import { accessRouteRef } from '../routes';
import { isProduct } from './productOf';

export const catalogExtensions = [
  EntityCardBlueprint.make({
    name: 'access',
    params: {
      type: 'content',
      filter: isProduct,
      loader: () => import('./AccessCard').then(it => <it.AccessCard />),
    },
  }),
  EntityContentBlueprint.make({
    name: 'access',
    params: {
      path: '/access',
      routeRef: accessRouteRef,
      title: devportalTranslationRef('catalog.title'),
      filter: isProduct,
      loader: () => import('./AccessTab').then(it => <it.AccessTab />),
    },
  }),
];
