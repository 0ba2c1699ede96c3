import '@testing-library/jest-dom';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { parse } from 'yaml';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import type {
  Product,
  ProductRow,
  RouteRow,
} from '@devportal/backstage-plugin-devportal-common';
import { FakePortal, problem, whole } from '../__testUtils__/fakePortal';
import { PortalApi, portalApiRef } from '../portal';
import { productRouteRef, productsRouteRef, publishRouteRef } from '../routes';
import { me } from '../__testUtils__/examples';
import { EditPage } from './EditPage';
import { ProductPage } from './ProductPage';
import { ProductsPage } from './ProductsPage';
import { PublishPage } from './PublishPage';

jest.setTimeout(30_000);

/** Longer than the app takes to be mounted anew. */
const later = () => new Promise(done => setTimeout(done, 1_500));

const fill = (field: HTMLElement, value: string) =>
  fireEvent.change(field, { target: { value } });

const PATH = '/v1/products/toystore/toys';

const product: Product = {
  namespace: 'toystore',
  name: 'toys',
  created: '2026-10-01T10:00:00Z',
  conditions: [],
  hasOpenapi: false,
  hostnames: ['toys.example.com'],
  keys: {
    waiting: 3,
    approved: 3,
    pending: 2,
    denied: 1,
    expired: 0,
    failed: 0,
  },
  may: { edit: true, seeRequests: true },
  problems: [],
  plans: [{ tier: 'gold', limits: { daily: 1000 } }],
  spec: {
    displayName: 'Toys',
    version: 'v1',
    approvalMode: 'manual',
    publishStatus: 'Published',
    contact: { team: 'Toys', slack: '#toys' },
    targetRef: {
      group: 'gateway.networking.k8s.io',
      kind: 'HTTPRoute',
      name: 'toys',
    },
  },
};

const route: RouteRow = {
  namespace: 'toystore',
  name: 'toys',
  accepted: true,
  exposed: true,
  hostnames: ['toys.example.com'],
  authPolicy: { found: true, name: { namespace: 'toystore', name: 'auth' } },
  planPolicy: { found: false, message: 'no PlanPolicy holds' },
  plans: [],
  products: [],
};

const onPage = (portal: FakePortal, at: string) => ({
  mountPath: at,
  mountedRoutes: {
    '/list': productsRouteRef,
    '/one/:namespace/:name': productRouteRef,
  },
  apis: [[portalApiRef, new PortalApi(portal)]] as const,
});

function publish(portal: FakePortal, api = new PortalApi(portal)) {
  portal.on('GET', '/v1/routes', { items: [route] });
  return renderInTestApp(<PublishPage />, {
    ...onPage(portal, '/api-products/new'),
    apis: [[portalApiRef, api]],
    initialRouteEntries: ['/api-products/new?route=toystore%2Ftoys'],
  });
}

const yaml = () => screen.getByRole('region', { name: 'APIProduct' });

describe('publishing an API', () => {
  it('writes what the YAML shows', async () => {
    const portal = new FakePortal().on('POST', '/v1/products', product);
    publish(portal);
    expect(await screen.findByText('no PlanPolicy holds')).toBeInTheDocument();
    fill(screen.getByLabelText(/^Display name/), 'Toys: all');
    fill(screen.getByLabelText(/^Tags/), 'toys, retail');
    fill(screen.getByLabelText('Slack channel'), '#toys');
    const shown: unknown = parse(yaml().textContent ?? '');
    await userEvent.click(screen.getByRole('button', { name: 'Publish' }));

    const [sent] = portal.sent('POST', '/v1/products');
    expect(sent).toMatchObject({
      namespace: 'toystore',
      name: 'toys',
      spec: { displayName: 'Toys: all', tags: ['toys', 'retail'] },
    });
    const { spec, ...metadata } = sent as { spec: unknown };
    expect(shown).toEqual({
      apiVersion: 'devportal.kuadrant.io/v1alpha1',
      kind: 'APIProduct',
      metadata,
      spec,
    });
  });

  it('shows what is wrong at its field, keeps what was typed, and tries again as the same', async () => {
    const portal = new FakePortal().on('POST', '/v1/products', () =>
      problem(422, 'Invalid', 'two things are wrong', [
        { field: 'spec.displayName', message: 'is taken by another team' },
        { message: 'the route is not yours' },
      ]),
    );
    publish(portal);
    const name = await screen.findByLabelText(/^Display name/);
    fill(name, 'Toys');
    const button = screen.getByRole('button', { name: 'Publish' });
    await userEvent.click(button);

    expect(
      await screen.findByText('is taken by another team'),
    ).toBeInTheDocument();
    expect(name).toBeInvalid();
    expect(name).toHaveAccessibleDescription(/is taken by another team/);
    expect(name).toHaveValue('Toys');
    expect(
      within(screen.getByRole('alert')).getByText('the route is not yours'),
    ).toBeInTheDocument();

    await userEvent.click(button);
    fill(name, 'Toys!');
    expect(
      screen.queryByText('is taken by another team'),
    ).not.toBeInTheDocument();
    await userEvent.click(button);
    const [first, second, third] = portal
      .headers('POST', '/v1/products')
      .map(it => it.get('idempotency-key'));
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });
});

describe('a write that nobody answered', () => {
  const down = () => problem(503, 'Unavailable', 'nobody answers');

  it('is not sent again by itself from the form', async () => {
    const portal = new FakePortal().on('POST', '/v1/products', down);
    publish(portal);
    fill(await screen.findByLabelText(/^Display name/), 'Toys');
    await userEvent.click(screen.getByRole('button', { name: 'Publish' }));
    expect(
      await screen.findByText(/Look whether it was done/),
    ).toBeInTheDocument();
    expect(portal.sent('POST', '/v1/products')).toHaveLength(1);
  });

  it('is sent again as the same after somebody left to look whether it was done', async () => {
    const portal = new FakePortal().on('POST', '/v1/products', down);
    const api = new PortalApi(portal);
    const before = publish(portal, api);
    const name = () => screen.findByLabelText(/^Display name/);
    const send = () =>
      userEvent.click(screen.getByRole('button', { name: 'Publish' }));
    fill(await name(), 'Toys');
    await send();
    await screen.findByText(/Look whether it was done/);
    before.unmount();
    await later();

    const after = publish(portal, api);
    expect(await name()).toHaveValue('Toys');
    portal.on('POST', '/v1/products', product);
    await send();
    await waitFor(() =>
      expect(portal.sent('POST', '/v1/products')).toHaveLength(2),
    );
    const [first, second] = portal
      .headers('POST', '/v1/products')
      .map(it => it.get('idempotency-key'));
    expect(second).toBe(first);
    await waitFor(() =>
      expect(screen.queryByText(/it is not done twice/)).toBeNull(),
    );
    after.unmount();

    publish(portal, api);
    expect(await name()).toHaveValue('');
  });

  it('is not sent again by itself from the page', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, {
        ...product,
        spec: { ...product.spec, publishStatus: 'Draft' },
      })
      .on('PATCH', PATH, down);
    renderInTestApp(<ProductPage />, {
      ...onPage(portal, '/api-products/:namespace/:name'),
      initialRouteEntries: ['/api-products/toystore/toys'],
    });
    await userEvent.click(
      await screen.findByRole('button', { name: 'Publish' }),
    );
    expect(
      await screen.findByText(/Look whether it was done/),
    ).toBeInTheDocument();
  });
});

describe('the list of products', () => {
  it('offers to publish where there is a page for it', async () => {
    const portal = new FakePortal()
      .on('GET', '/v1/products', { items: [] })
      .on('GET', '/v1/products/namespaces', { items: [] })
      .on('GET', '/v1/me', { ...me, publishIn: ['toystore'] });
    const { mountedRoutes, ...page } = onPage(portal, '/api-products');
    const on = { ...page, initialRouteEntries: ['/api-products'] };
    const none = renderInTestApp(<ProductsPage />, { ...on, mountedRoutes });
    await screen.findByText('No API products yet');
    await waitFor(() => expect(portal.lines).toContain('GET /v1/me'));
    expect(screen.queryByText('Publish an API')).not.toBeInTheDocument();
    none.unmount();

    renderInTestApp(<ProductsPage />, {
      ...on,
      mountedRoutes: { ...mountedRoutes, '/new': publishRouteRef },
    });
    expect(
      (await screen.findAllByRole('link', { name: 'Publish an API' }))[0],
    ).toHaveAttribute('href', '/new');
  });

  it('says with the keyboard, too, what is wrong with one', async () => {
    const row: ProductRow = {
      ...product,
      displayName: 'Toys',
      approvalMode: 'manual',
      publishStatus: 'Published',
      tiers: ['gold'],
      tags: [],
      gaps: [],
      problems: [
        {
          kind: 'Ready',
          holds: false,
          reason: 'NotFound',
          message: 'HTTPRoute not found',
          since: '2026-11-01T10:00:00Z',
        },
      ],
    };
    const portal = new FakePortal()
      .on('GET', '/v1/me', me)
      .on('GET', '/v1/products', { items: [row] })
      .on('GET', '/v1/products/namespaces', { items: ['toystore'] });
    renderInTestApp(<ProductsPage />, {
      ...onPage(portal, '/api-products'),
      initialRouteEntries: ['/api-products'],
    });
    const problems = await screen.findByText('1 problem');
    expect(screen.getByText('HTTPRoute not found')).not.toBeVisible();
    // As a text the colour of the icon would be hard to read.
    expect(problems.closest('[style*=warning]')).toBeNull();
    await userEvent.click(problems);
    expect(screen.getByText('HTTPRoute not found')).toBeVisible();
    expect(problems.closest('summary')).not.toBeNull();
  });
});

const answer = (body: Product, etag: string) => () =>
  new Response(JSON.stringify(body), {
    headers: { 'content-type': 'application/json', etag },
  });

describe('editing a product', () => {
  const edit = (portal: FakePortal, api = new PortalApi(portal)) =>
    renderInTestApp(<EditPage />, {
      ...onPage(portal, '/api-products/:namespace/:name/edit'),
      apis: [[portalApiRef, api]],
      initialRouteEntries: ['/api-products/toystore/toys/edit'],
    });

  it('sends only what has changed, onto what was seen', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, answer(product, '"7"'))
      .on('PATCH', PATH, product);
    edit(portal);
    const slack = await screen.findByLabelText('Slack channel');
    fill(slack, '');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(portal.sent('PATCH', PATH)).toEqual([
      { spec: { contact: { slack: null } } },
    ]);
    expect(portal.headers('PATCH', PATH)[0].get('if-match')).toBe('"7"');
  });

  it('stands after its page was left, until it is discarded', async () => {
    const portal = new FakePortal().on('GET', PATH, answer(product, '"7"'));
    const api = new PortalApi(portal);
    const before = edit(portal, api);
    fill(await screen.findByLabelText('Slack channel'), '#dolls');
    before.unmount();
    await later();
    edit(portal, api);
    const slack = await screen.findByLabelText('Slack channel');
    expect(slack).toHaveValue('#dolls');
    await userEvent.click(screen.getByRole('button', { name: 'Begin anew' }));
    expect(slack).toHaveValue('#toys');
  });

  it('has one group a line, whose name may have a comma', async () => {
    const groups = ['cn=devs,ou=eng', 'ops'];
    const portal = new FakePortal()
      .on(
        'GET',
        PATH,
        answer(
          { ...product, spec: { ...product.spec, visibility: { groups } } },
          '"7"',
        ),
      )
      .on('PATCH', PATH, product);
    edit(portal);
    const field = await screen.findByLabelText('Groups that see it');
    expect(field).toHaveValue('cn=devs,ou=eng\nops');
    expect(field).toHaveAccessibleDescription(/One group a line/);
    await userEvent.type(field, '{Enter} qa {Enter}');
    expect(parse(yaml().textContent ?? '')).toMatchObject({
      spec: { visibility: { groups: ['cn=devs,ou=eng', 'ops', 'qa'] } },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(portal.sent('PATCH', PATH)).toEqual([
      { spec: { visibility: { groups: ['cn=devs,ou=eng', 'ops', 'qa'] } } },
    ]);
  });

  it('shows what somebody else wrote meanwhile next to what was typed', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, answer(product, '"7"'))
      .on('PATCH', PATH, () => {
        const spec = { ...product.spec, version: 'v2', displayName: 'Games' };
        portal.on('GET', PATH, answer({ ...product, spec }, '"8"'));
        return problem(412, 'Changed', 'it has changed since you looked');
      });
    edit(portal);
    const name = await screen.findByLabelText(/^Display name/);
    fill(name, 'Dolls');
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));

    expect(
      await screen.findByText(whole('There now: Games')),
    ).toBeInTheDocument();
    expect(screen.getByText(whole('Yours: Dolls'))).toBeInTheDocument();
    expect(name).toHaveValue('Dolls');
    expect(screen.getByLabelText('Version')).toHaveValue('v2');

    portal.on('PATCH', PATH, product);
    await userEvent.click(screen.getByRole('button', { name: 'Save' }));
    expect(portal.sent('PATCH', PATH)[1]).toEqual({
      spec: { displayName: 'Dolls' },
    });
    expect(portal.headers('PATCH', PATH)[1].get('if-match')).toBe('"8"');
  });
});

describe('a product', () => {
  const open = (portal: FakePortal) =>
    renderInTestApp(<ProductPage />, {
      ...onPage(portal, '/api-products/:namespace/:name'),
      initialRouteEntries: ['/api-products/toystore/toys'],
    });

  it('is deleted by its name, after telling how many keys go with it', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, product)
      .on('DELETE', PATH, undefined);
    open(portal);
    await userEvent.click(
      await screen.findByRole('button', { name: 'Delete' }),
    );
    const dialog = await screen.findByRole('dialog');
    expect(
      within(dialog).getByText(
        'It takes away 3 active keys and 2 pending requests.',
      ),
    ).toBeInTheDocument();
    const remove = within(dialog).getByRole('button', { name: 'Delete' });
    expect(remove).toBeDisabled();
    fill(within(dialog).getByLabelText('Type toys to delete it'), 'toys');
    await userEvent.click(remove);
    expect(portal.lines).toContain(`DELETE ${PATH}`);
  });

  it('offers no way to pages that Backstage does not permit', async () => {
    const portal = new FakePortal().on('GET', PATH, product);
    renderInTestApp(<ProductPage />, {
      ...onPage(portal, '/api-products/:namespace/:name'),
      mountedRoutes: { '/one/:namespace/:name': productRouteRef },
      initialRouteEntries: ['/api-products/toystore/toys'],
    });
    await screen.findByRole('button', { name: 'Delete' });
    for (const name of ['Edit', 'Access requests', 'All API products']) {
      expect(screen.queryByText(name)).not.toBeInTheDocument();
    }
  });

  it('offers no change to those who may not edit it', async () => {
    const portal = new FakePortal().on('GET', PATH, {
      ...product,
      keys: undefined,
      may: { edit: false, seeRequests: false },
    });
    open(portal);
    expect(
      await screen.findByText(/You may see this product, but not change it/),
    ).toBeInTheDocument();
    expect(
      screen.queryByRole('button', { name: 'Delete' }),
    ).not.toBeInTheDocument();
  });
});
