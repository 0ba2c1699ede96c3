import { screen } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { EntityProvider } from '@backstage/plugin-catalog-react';
import { PRODUCT_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';
import { PortalApi, portalApiRef } from '../portal';
import { accessRouteRef } from '../routes';
import { me, product } from '../__testUtils__/examples';
import { FakePortal } from '../__testUtils__/fakePortal';
import { AccessCard } from './AccessCard';

jest.setTimeout(30_000);

const entity = {
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'API',
  metadata: {
    name: 'toys',
    annotations: { [PRODUCT_ANNOTATION]: 'toystore/toys' },
  },
};

const show = (mountedRoutes: Record<string, typeof accessRouteRef>) =>
  renderInTestApp(
    <EntityProvider entity={entity}>
      <AccessCard />
    </EntityProvider>,
    {
      mountedRoutes,
      apis: [
        [
          portalApiRef,
          new PortalApi(
            new FakePortal({
              'GET /v1/me': me,
              'GET /v1/products/toystore/toys': product,
            }),
          ),
        ],
      ],
    },
  );

const NAME = 'How to use this API';

it('leads to the tab of access, wherever that lies', async () => {
  show({ '/keys-and-plans': accessRouteRef });
  expect(await screen.findByRole('link', { name: NAME })).toHaveAttribute(
    'href',
    '/keys-and-plans',
  );
});

it('leads nowhere where there is no such tab', async () => {
  show({});
  expect(await screen.findByText('gold')).toBeInTheDocument();
  expect(screen.queryByRole('link', { name: NAME })).not.toBeInTheDocument();
});
