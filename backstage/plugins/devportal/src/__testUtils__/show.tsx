/* Shows a page of the portal in an app, for tests. */
import type { ReactElement } from 'react';
import { mockApis, renderInTestApp } from '@backstage/frontend-test-utils';
import type { TestAppRenderResult } from '@backstage/frontend-test-utils';
import { entityRouteRef } from '@backstage/plugin-catalog-react';
import { PortalApi, portalApiRef } from '../portal';
import {
  apiRouteRef,
  apisRouteRef,
  keyRouteRef,
  keysRouteRef,
} from '../routes';
import { FakePortal } from './fakePortal';
import type { Answer } from './fakePortal';

/** The portal answers what is said here by `METHOD /path`. */
export function show(
  element: ReactElement,
  answers: Record<string, Answer>,
  at = '/',
): Pick<FakePortal, 'asked'> & { api: PortalApi } & Pick<
    TestAppRenderResult,
    'apis'
  > {
  const { asked, fetch } = new FakePortal(answers);
  const api = new PortalApi({ fetch });
  const { apis } = renderInTestApp(element, {
    apis: [[portalApiRef, api], mockApis.permission()],
    mountedRoutes: {
      '/apis': apisRouteRef,
      '/apis/:namespace/:name': apiRouteRef,
      '/api-keys': keysRouteRef,
      '/api-keys/:namespace/:name': keyRouteRef,
      '/catalog/:namespace/:kind/:name': entityRouteRef,
    },
    initialRouteEntries: [at],
  });
  return { asked, api, apis };
}
