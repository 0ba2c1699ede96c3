/* The pages of API products. */
import { PageBlueprint } from '@backstage/frontend-plugin-api';
import { RiStackLine } from '@remixicon/react';
import { devportalTranslationRef } from '../messages';
import {
  editRouteRef,
  productRouteRef,
  productsRouteRef,
  publishRouteRef,
} from '../routes';

export const productPages = [
  PageBlueprint.make({
    name: 'products',
    params: {
      path: '/api-products',
      routeRef: productsRouteRef,
      title: devportalTranslationRef('products.title'),
      icon: <RiStackLine />,
      loader: () => import('./ProductsPage').then(it => <it.ProductsPage />),
    },
  }),
  PageBlueprint.make({
    name: 'publish',
    params: {
      path: '/api-products/new',
      routeRef: publishRouteRef,
      title: devportalTranslationRef('products.publish'),
      icon: <RiStackLine />,
      loader: () => import('./PublishPage').then(it => <it.PublishPage />),
    },
  }),
  PageBlueprint.make({
    name: 'product',
    params: {
      path: '/api-products/:namespace/:name',
      routeRef: productRouteRef,
      title: devportalTranslationRef('products.one'),
      icon: <RiStackLine />,
      loader: () => import('./ProductPage').then(it => <it.ProductPage />),
    },
  }),
  PageBlueprint.make({
    name: 'edit',
    params: {
      path: '/api-products/:namespace/:name/edit',
      routeRef: editRouteRef,
      title: devportalTranslationRef('products.one'),
      icon: <RiStackLine />,
      loader: () => import('./EditPage').then(it => <it.EditPage />),
    },
  }),
];
