import '@testing-library/jest-dom';
import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import type {
  Product,
  Request,
} from '@devportal/backstage-plugin-devportal-common';
import { PortalApi, portalApiRef } from '../portal';
import { requestRouteRef, requestsRouteRef } from '../routes';
import { FakePortal, problem, whole } from '../__testUtils__/fakePortal';
import { RequestPage } from './RequestPage';
import { RequestsPage } from './RequestsPage';

jest.setTimeout(30_000);

const PATH = '/v1/requests/toystore/alice-gold';

const request: Request = {
  namespace: 'toystore',
  name: 'alice-gold',
  created: '2026-11-01T10:00:00Z',
  conditions: [],
  key: { namespace: 'consumer', name: 'alice-gold' },
  product: { namespace: 'toystore', name: 'toys-bulk' },
  requestedBy: { userId: 'alice', email: 'alice@example.com' },
  state: 'Pending',
  terms: 'sha256:one',
  tier: 'gold',
  limits: { daily: 1000 },
  useCase: 'A catalogue for the shop',
  mayDecide: true,
  waiting: true,
};

/** Approved with less, and asked for more since. */
const change: Request = {
  ...request,
  state: 'Approved',
  approvedTier: 'silver',
};

const bob = { userId: 'bob', email: 'bob@example.com' };

const product: Product = {
  namespace: 'toystore',
  name: 'toys-bulk',
  created: '2026-10-01T10:00:00Z',
  conditions: [],
  hasOpenapi: false,
  hostnames: [],
  may: { edit: true, seeRequests: true },
  problems: [],
  plans: [
    { tier: 'gold', limits: { daily: 1000 } },
    { tier: 'silver', limits: { daily: 100 } },
  ],
  spec: {
    displayName: 'Toys in bulk',
    approvalMode: 'manual',
    publishStatus: 'Published',
    targetRef: {
      group: 'gateway.networking.k8s.io',
      kind: 'HTTPRoute',
      name: 'toystore',
    },
  },
};

const decided = {
  approval: { namespace: 'toystore', name: 'a' },
  approved: true,
  reviewedAt: '2026-11-02T10:00:00Z',
  reviewedBy: 'olivia',
};

function open(portal: FakePortal, api = new PortalApi(portal)) {
  portal.on('GET', '/v1/products/toystore/toys-bulk', product);
  portal.on('GET', '/v1/requests', { items: [] });
  return renderInTestApp(<RequestPage />, {
    mountPath: '/api-requests/:namespace/:name',
    initialRouteEntries: ['/api-requests/toystore/alice-gold'],
    mountedRoutes: { '/queue': requestsRouteRef },
    apis: [[portalApiRef, api]],
  });
}

const as = (etag: string, body: Request) => () =>
  Response.json(body, { headers: { ETag: etag } });

const decisions = (portal: FakePortal) =>
  portal.sent('POST', `${PATH}/decision`);

describe('a request', () => {
  it('is approved with the terms that were shown', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, decided);
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    expect(
      await screen.findByText('You approved this request'),
    ).toBeInTheDocument();
    expect(decisions(portal)).toEqual([
      { approved: true, terms: 'sha256:one' },
    ]);
  });

  it('is approved with less than was asked for', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, decided);
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve with less'));
    const send = screen.getByRole('button', { name: 'Approve with less' });
    await userEvent.click(send);
    expect(
      screen.getAllByText('Choose another plan or an earlier end.')[0],
    ).toBeInTheDocument();
    expect(decisions(portal)).toEqual([]);

    await userEvent.click(
      screen.getByRole('button', { name: /Plan to grant/ }),
    );
    await userEvent.click(
      screen.getByRole('option', { name: 'silver: 100 requests a day' }),
    );
    await userEvent.click(send);
    await screen.findByText('You approved this request');
    expect(decisions(portal)).toEqual([
      { approved: true, terms: 'sha256:one', planTier: 'silver' },
    ]);
  });

  it('is not denied without a reason', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, { ...decided, approved: false });
    open(portal);
    await userEvent.click(await screen.findByLabelText('Deny'));
    await userEvent.click(screen.getByRole('button', { name: 'Deny' }));
    expect(
      await screen.findByText('Give a reason: the requester reads it.'),
    ).toBeInTheDocument();
    expect(decisions(portal)).toEqual([]);

    fireEvent.change(screen.getByLabelText(/^Reason/), {
      target: { value: 'Use the test API' },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Deny' }));
    await screen.findByText('You decided against this request');
    expect(decisions(portal)).toEqual([
      { approved: false, message: 'Use the test API' },
    ]);
  });

  it('that has changed keeps what was typed, and is decided anew', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, () => {
        portal.on('GET', PATH, {
          ...request,
          terms: 'sha256:two',
          tier: 'platinum',
        });
        return problem(409, 'TermsChanged', 'what is asked for has changed');
      });
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    fireEvent.change(screen.getByLabelText(/Message/), {
      target: { value: 'Welcome' },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));

    expect(
      await screen.findByText('what is asked for has changed'),
    ).toBeInTheDocument();
    expect(await screen.findByText(whole('It was: gold'))).toBeInTheDocument();
    expect(screen.getByLabelText(/Message/)).toHaveValue('Welcome');
    expect(screen.getByRole('button', { name: 'Approve' })).toBeDisabled();

    portal.on('POST', `${PATH}/decision`, decided);
    await userEvent.click(
      screen.getByRole('button', { name: 'I have seen it as it is now' }),
    );
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    await screen.findByText('You approved this request');
    expect(decisions(portal)).toEqual([
      { approved: true, terms: 'sha256:one', message: 'Welcome' },
      { approved: true, terms: 'sha256:two', message: 'Welcome' },
    ]);
  });

  it('whose use case alone has changed is to be looked at again', async () => {
    const portal = new FakePortal().on('GET', PATH, request);
    const api = new PortalApi(portal);
    open(portal, api);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    portal.on('GET', PATH, { ...request, useCase: 'To sell it on' });
    await api.outdate('requests');
    expect(
      await screen.findByText(whole('It was: A catalogue for the shop')),
    ).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Approve' })).toBeDisabled();
  });

  it('is decided in the version that was seen, not in one that came meanwhile', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, as('"1"', request))
      .on('POST', `${PATH}/decision`, () =>
        problem(412, 'Changed', 'it has changed since you looked'),
      );
    const api = new PortalApi(portal);
    open(portal, api);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    // Somebody has decided, and the controller has not carried it out yet.
    portal.on('GET', PATH, as('"2"', request));
    await api.outdate('requests');
    const send = screen.getByRole('button', { name: 'Approve' });
    await userEvent.click(send);

    expect(
      await screen.findByText(/What is shown of it is the same/),
    ).toBeInTheDocument();
    expect(send).toBeDisabled();
    portal.on('POST', `${PATH}/decision`, decided);
    await userEvent.click(
      screen.getByRole('button', { name: 'I have seen it as it is now' }),
    );
    await userEvent.click(send);
    await screen.findByText('You approved this request');
    expect(
      portal.headers('POST', `${PATH}/decision`).map(it => it.get('If-Match')),
    ).toEqual(['"1"', '"2"']);
  });

  it('on which the controller has noted something is decided as it stands', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, as('"1"', request))
      .on('POST', `${PATH}/decision`, decided);
    const api = new PortalApi(portal);
    open(portal, api);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    const noted = {
      kind: 'Enforced',
      holds: false,
      reason: 'AwaitingApproval',
      message: 'it waits for the owner',
      since: '2026-11-01T10:00:01Z',
    };
    portal.on('GET', PATH, as('"2"', { ...request, conditions: [noted] }));
    await api.outdate('requests');
    await screen.findByText('it waits for the owner');
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    await screen.findByText('You approved this request');
    const [sent] = portal.headers('POST', `${PATH}/decision`);
    expect(sent.get('If-Match')).toBe('"2"');
  });

  it('that changes what was approved says what is in force', async () => {
    const portal = new FakePortal().on('GET', PATH, change);
    const api = new PortalApi(portal);
    open(portal, api);
    expect(
      await screen.findByText('This changes what was approved'),
    ).toBeInTheDocument();
    expect(screen.getByText(whole('approved: silver'))).toBeInTheDocument();
    expect(screen.getByLabelText('Revoke access')).toBeInTheDocument();

    // Somebody else approves it meanwhile.
    portal.on('GET', PATH, {
      ...change,
      waiting: false,
      approvedTier: undefined,
    });
    await api.outdate('requests');
    expect(
      await screen.findByText(whole('It was: Approved, a change waits')),
    ).toBeInTheDocument();
    expect(screen.getByText(whole('It was: silver'))).toBeInTheDocument();
  });

  it('that has changed is to be looked at also after a change of theme', async () => {
    const portal = new FakePortal().on('GET', PATH, request);
    const api = new PortalApi(portal);
    const before = open(portal, api);
    await screen.findByText('What do you decide?');
    portal.on('GET', PATH, { ...request, terms: 'sha256:two', tier: 'silver' });
    await api.outdate('requests');
    expect(await screen.findByText(whole('It was: gold'))).toBeInTheDocument();

    before.unmount();
    open(portal, api);
    expect(await screen.findByText(whole('It was: gold'))).toBeInTheDocument();
  });

  it('on which somebody else has just decided is not decided over it', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, as('"1"', request))
      .on('POST', `${PATH}/decision`, () =>
        problem(412, 'Changed', 'it has changed since you looked'),
      );
    open(portal);
    await userEvent.click(await screen.findByLabelText('Deny'));
    fireEvent.change(screen.getByLabelText(/^Reason/), {
      target: { value: 'Use the test API' },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Deny' }));
    expect(
      await screen.findByText('it has changed since you looked'),
    ).toBeInTheDocument();
    expect(screen.getByText(/What you typed is kept/)).toBeInTheDocument();
    expect(screen.getByLabelText(/^Reason/)).toHaveValue('Use the test API');
    const [sent] = portal.headers('POST', `${PATH}/decision`);
    expect(sent.get('If-Match')).toBe('"1"');
  });

  it('has what was typed also after its page was left', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, as('"1"', request))
      .on('POST', `${PATH}/decision`, () =>
        problem(503, 'Unavailable', 'nobody answers'),
      );
    const api = new PortalApi(portal);
    const before = open(portal, api);
    await userEvent.click(await screen.findByLabelText('Deny'));
    fireEvent.change(screen.getByLabelText(/^Reason/), {
      target: { value: 'Use the test API' },
    });
    await userEvent.click(screen.getByRole('button', { name: 'Deny' }));
    await screen.findByText('nobody answers');
    before.unmount();
    await new Promise(done => setTimeout(done, 1_500));

    // Somebody has asked for something else since: that is to be seen first.
    portal.on(
      'GET',
      PATH,
      as('"2"', { ...request, terms: 'sha256:two', tier: 'silver' }),
    );
    await api.outdate('requests');
    open(portal, api);
    expect(await screen.findByLabelText(/^Reason/)).toHaveValue(
      'Use the test API',
    );
    expect(await screen.findByText(whole('It was: gold'))).toBeInTheDocument();
    await userEvent.click(screen.getByRole('button', { name: 'Begin anew' }));
    expect(screen.queryByLabelText(/^Reason/)).not.toBeInTheDocument();
    expect(screen.queryByText(whole('It was: gold'))).toBeNull();
  });

  it('that could not be decided is not decided later by itself', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, () =>
        problem(503, 'Unavailable', 'nobody answers'),
      );
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    expect(await screen.findByText('nobody answers')).toBeInTheDocument();
    expect(screen.getByText(/Look whether it was done/)).toBeInTheDocument();
    expect(screen.queryByText(/by itself/)).not.toBeInTheDocument();
    expect(decisions(portal)).toHaveLength(1);
  });

  it('that cannot be decided for another reason has not changed', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, () =>
        problem(409, 'AlreadyExists', 'there is one of this name'),
      );
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    expect(
      await screen.findByText('there is one of this name'),
    ).toBeInTheDocument();
    expect(screen.queryByText(/decide anew/)).not.toBeInTheDocument();
  });

  it('of one’s own tells that somebody else has to approve it', async () => {
    const portal = new FakePortal()
      .on('GET', PATH, request)
      .on('POST', `${PATH}/decision`, () =>
        problem(403, 'OwnRequest', 'nobody decides on their own request'),
      );
    open(portal);
    await userEvent.click(await screen.findByLabelText('Approve as asked'));
    await userEvent.click(screen.getByRole('button', { name: 'Approve' }));
    expect(
      await screen.findByText('nobody decides on their own request'),
    ).toBeInTheDocument();
    expect(screen.getByText('This is your own request')).toBeInTheDocument();
  });

  it('offers no decision to those who may not decide', async () => {
    const portal = new FakePortal().on('GET', PATH, {
      ...request,
      mayDecide: false,
    });
    open(portal);
    expect(await screen.findByText(/but not decide on it/)).toBeInTheDocument();
    expect(screen.queryByRole('radio')).not.toBeInTheDocument();
  });
});

describe('the queue', () => {
  it('asks for those who wait, as the address says', async () => {
    const portal = new FakePortal()
      .on('GET', '/v1/me', {
        user: 'olivia',
        groups: [],
        requestIn: [],
        publishIn: ['toystore'],
        seesKeys: true,
        seesRequests: true,
        decides: true,
        pendingRequests: 1,
      })
      .on('GET', '/v1/products', { items: [] })
      .on('GET', '/v1/products/namespaces', { items: ['toystore'] })
      .on('GET', '/v1/products/toystore/toys-bulk', product)
      .on('GET', '/v1/requests', {
        items: [request, { ...change, name: 'bob-gold', requestedBy: bob }],
      });
    renderInTestApp(<RequestsPage />, {
      mountPath: '/api-requests',
      initialRouteEntries: ['/api-requests?product=toystore/toys-bulk&q=shop'],
      mountedRoutes: { '/request/:namespace/:name': requestRouteRef },
      apis: [[portalApiRef, new PortalApi(portal)]],
    });
    expect(await screen.findByText('alice')).toBeInTheDocument();
    expect(await screen.findAllByText(/1,000 requests a day/)).toHaveLength(2);
    const asked = portal.lines.find(it => it.startsWith('GET /v1/requests?'));
    expect(asked).toContain('waiting=true');
    expect(asked).not.toContain('state=');
    // A change of what was approved waits like what is new.
    expect(
      screen.getByRole('link', { name: 'Review the request of bob' }),
    ).toBeInTheDocument();
    expect(screen.getByText(whole('approved: silver'))).toBeInTheDocument();
    expect(asked).toContain('product=toystore%2Ftoys-bulk');
    expect(asked).toContain('q=shop');

    await userEvent.click(screen.getByRole('radio', { name: 'Denied' }));
    await waitFor(() =>
      expect(portal.lines.some(it => it.includes('state=Denied'))).toBe(true),
    );
    expect(
      portal.lines.some(it => /state=Denied.*waiting|waiting.*state=/.test(it)),
    ).toBe(false);
  });

  it('leads nowhere where the pages are switched off', async () => {
    const portal = new FakePortal()
      .on('GET', '/v1/products', { items: [] })
      .on('GET', '/v1/products/namespaces', { items: [] })
      .on('GET', '/v1/requests', { items: [request] });
    renderInTestApp(<RequestsPage />, {
      mountPath: '/api-requests',
      initialRouteEntries: ['/api-requests'],
      apis: [[portalApiRef, new PortalApi(portal)]],
    });
    expect(await screen.findByText('alice')).toBeInTheDocument();
    const table = within(screen.getByRole('table'));
    expect(table.getByText('toystore/toys-bulk')).toBeInTheDocument();
    expect(table.queryByText('Review')).not.toBeInTheDocument();
    expect(table.queryAllByRole('link')).toEqual([]);
  });
});
