import '@testing-library/jest-dom';
import { screen, within } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { FakePortal, problem } from '../__testUtils__/fakePortal';
import { PortalApi, portalApiRef } from '../portal';
import { editRouteRef, keyRouteRef, productRouteRef } from '../routes';
import { AccessPage } from './AccessPage';
import { ConsistencyPage } from './ConsistencyPage';
import { HealthPage } from './HealthPage';

const me = {
  user: 'petra',
  groups: ['platform'],
  requestIn: [],
  publishIn: [],
  seesKeys: true,
  seesRequests: true,
  decides: true,
  pendingRequests: 0,
};

const product = {
  namespace: 'toystore',
  name: 'toys',
  displayName: 'Toys',
  tags: [],
  tiers: [],
  problems: [],
  gaps: [{ field: 'spec.contact.email', message: 'no e-mail is given' }],
  publishStatus: 'Published',
  approvalMode: 'manual',
  team: 'Toy team',
  created: '2026-10-01T10:00:00Z',
};

const well = () =>
  new FakePortal()
    .on('GET', '/v1/me', me)
    .on('GET', '/v1/health', { findings: [] })
    .on('GET', '/v1/products', { items: [] })
    .on('GET', '/v1/products/namespaces', { items: ['toystore'] })
    .on('GET', '/v1/keys', { items: [] })
    .on('GET', '/v1/routes', { items: [] });

const ROUTES = {
  '/key/:namespace/:name': keyRouteRef,
  '/product/:namespace/:name': productRouteRef,
};

const show = (
  page: JSX.Element,
  portal: FakePortal,
  mountedRoutes: Record<string, typeof keyRouteRef> = {
    ...ROUTES,
    '/edit/:namespace/:name': editRouteRef,
  },
) =>
  renderInTestApp(page, {
    mountedRoutes,
    apis: [[portalApiRef, new PortalApi(portal)]],
  });

describe('health', () => {
  it('says that all is well', async () => {
    show(<HealthPage />, well());
    expect(
      await screen.findByText('The portal sees everything that it shows.'),
    ).toBeInTheDocument();
    expect(
      await screen.findByText('Every key that was approved is enforced.'),
    ).toBeInTheDocument();
  });

  it('says what is wrong, in the words of the server, and where to look', async () => {
    const portal = well()
      .on('GET', '/v1/health', {
        findings: [
          { about: 'Kuadrant', message: 'there is none', next: 'create one' },
        ],
      })
      .on('GET', '/v1/products', {
        items: [
          {
            ...product,
            problems: [
              {
                kind: 'Ready',
                holds: false,
                reason: 'RouteNotFound',
                message: 'the route is not there',
                since: '2026-10-01T10:00:00Z',
              },
            ],
          },
        ],
      });
    show(<HealthPage />, portal);
    expect(await screen.findByText('there is none')).toBeInTheDocument();
    expect(screen.getByText('create one')).toBeInTheDocument();
    expect(
      await screen.findByText('the route is not there'),
    ).toBeInTheDocument();
    expect(
      screen.getByRole('link', { name: /Toys · toystore\/toys/ }),
    ).toHaveAttribute('href', '/product/toystore/toys');
  });
});

describe('consistency', () => {
  it('says what each product lacks, and whom to tell', async () => {
    const portal = well()
      .on('GET', '/v1/products', { items: [product] })
      .on('GET', '/v1/products/toystore/toys', {
        ...product,
        may: { edit: true, seeRequests: true },
        spec: { contact: { email: 'toys@example.com' } },
      });
    show(<ConsistencyPage />, portal);
    expect(await screen.findByText('no e-mail is given')).toBeInTheDocument();
    expect(screen.getByText('Toy team')).toBeInTheDocument();
    expect(await screen.findByText('toys@example.com')).toBeInTheDocument();
    expect(screen.getByRole('link', { name: 'Edit Toys' })).toHaveAttribute(
      'href',
      '/edit/toystore/toys',
    );
    expect(
      portal.lines.some(it => it.includes('/v1/products?incomplete=true')),
    ).toBe(true);
  });

  it('has no column of actions for those who may not edit', async () => {
    const portal = well()
      .on('GET', '/v1/products', { items: [product] })
      .on('GET', '/v1/products/toystore/toys', {
        ...product,
        may: { edit: false, seeRequests: true },
        spec: { contact: { email: 'toys@example.com' } },
      });
    show(<ConsistencyPage />, portal);
    expect(await screen.findByText('toys@example.com')).toBeInTheDocument();
    expect(screen.queryByText('Actions')).not.toBeInTheDocument();
  });

  it('offers no action where Backstage does not permit the page for it', async () => {
    const portal = well()
      .on('GET', '/v1/products', { items: [product] })
      .on('GET', '/v1/products/toystore/toys', {
        ...product,
        may: { edit: true, seeRequests: true },
        spec: { contact: { email: 'toys@example.com' } },
      });
    show(<ConsistencyPage />, portal, ROUTES);
    expect(await screen.findByText('toys@example.com')).toBeInTheDocument();
    expect(screen.queryByText('Actions')).not.toBeInTheDocument();
  });

  it('offers an action only where somebody may', async () => {
    const others = { ...product, namespace: 'other', displayName: 'Games' };
    const mayOf = (edit: boolean, of: typeof product) => ({
      ...of,
      may: { edit, seeRequests: true },
      spec: {},
    });
    const portal = well()
      .on('GET', '/v1/products', { items: [product, others] })
      .on('GET', '/v1/products/toystore/toys', mayOf(true, product))
      .on('GET', '/v1/products/other/toys', mayOf(false, others));
    show(<ConsistencyPage />, portal);
    await screen.findByRole('link', { name: 'Edit Toys' });
    const row = screen.getByRole('row', { name: /Games/ });
    expect(within(row).queryByText('Actions')).not.toBeInTheDocument();
    expect(within(row).getAllByRole('cell').at(-1)).toBeEmptyDOMElement();
  });
});

describe('who may do what', () => {
  it('says who, where, what and by which role', async () => {
    const grant = {
      subject: { kind: 'Group', name: 'consumers' },
      role: 'ClusterRole/devportal-consumer',
      binding: 'RoleBinding/consumers',
      namespace: 'consumer',
      may: ['requestKeys', 'seeKeys'],
    };
    const portal = new FakePortal().on('GET', '/v1/grants', {
      items: [grant],
    });
    show(<AccessPage />, portal);
    expect(await screen.findByText('consumers')).toBeInTheDocument();
    expect(screen.getByText('consumer')).toBeInTheDocument();
    expect(screen.getByText('ask for keys, see keys')).toBeInTheDocument();
    expect(
      screen.getByText('ClusterRole/devportal-consumer'),
    ).toBeInTheDocument();
  });

  it('says whom it is for where the cluster refuses it', async () => {
    const portal = new FakePortal().on('GET', '/v1/grants', () =>
      problem(403, 'Forbidden', 'olivia cannot list roles'),
    );
    show(<AccessPage />, portal);
    expect(
      await screen.findByText('olivia cannot list roles'),
    ).toBeInTheDocument();
  });
});
