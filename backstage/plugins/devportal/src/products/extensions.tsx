/* The pages of API products. Without an icon that of publishing is not in the menu. */
import { PageBlueprint } from '@backstage/frontend-plugin-api';
import { RiStackLine } from '@remixicon/react';
import {
  productCreatePermission,
  productReadPermission,
  productUpdatePermission,
  requestReadPermission,
} from '@devportal/backstage-plugin-devportal-common';
import { devportalTranslationRef } from '../messages';
import { permitted } from '../permitted';
import {
  editRouteRef,
  productRouteRef,
  productsRouteRef,
  publishRouteRef,
} from '../routes';

/** Whoever only uses products has the page of APIs. */
const isForOwners = {
  $all: [
    permitted(productReadPermission),
    {
      $any: [
        permitted(productCreatePermission),
        permitted(productUpdatePermission),
        permitted(requestReadPermission),
      ],
    },
  ],
};

export const productPages = [
  PageBlueprint.make({
    name: 'products',
    if: isForOwners,
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
    if: permitted(productCreatePermission),
    params: {
      path: '/api-products/new',
      routeRef: publishRouteRef,
      title: devportalTranslationRef('products.publish'),
      loader: () => import('./PublishPage').then(it => <it.PublishPage />),
    },
  }),
  PageBlueprint.make({
    name: 'product',
    if: permitted(productReadPermission),
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
    if: permitted(productUpdatePermission),
    params: {
      path: '/api-products/:namespace/:name/edit',
      routeRef: editRouteRef,
      title: devportalTranslationRef('products.one'),
      icon: <RiStackLine />,
      loader: () => import('./EditPage').then(it => <it.EditPage />),
    },
  }),
];
