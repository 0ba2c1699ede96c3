import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { coreApis } from '@backstage/frontend-plugin-api';
import type { ProductRow } from '@devportal/backstage-plugin-devportal-common';
import { me, product } from '../__testUtils__/examples';
import { problem } from '../__testUtils__/fakePortal';
import type { Asked } from '../__testUtils__/fakePortal';
import { show } from '../__testUtils__/show';
import { ApisPage } from './ApisPage';

jest.setTimeout(30_000);

const toys: ProductRow = {
  namespace: 'toystore',
  name: 'toys',
  displayName: 'Toys',
  description: 'Browse the toys',
  version: 'v1',
  approvalMode: 'automatic',
  publishStatus: 'Published',
  tags: ['retail'],
  tiers: ['gold', 'silver'],
  team: 'Toy team',
  problems: [],
  gaps: [],
  created: '2026-11-01T10:00:00Z',
};

const failed = (kind: string) => ({
  kind,
  holds: false,
  reason: 'NotThere',
  message: 'it is not there',
  since: '2026-11-01T10:00:00Z',
});

const list = (items: ProductRow[], next?: string) => ({
  'GET /v1/me': me,
  'GET /v1/products': ({ query }: Asked) =>
    query.has('after') ? { items: [] } : { items, next },
  'GET /v1/products/namespaces': {
    items: [...new Set(items.map(it => it.namespace))],
  },
});

const cards = async () =>
  within(await screen.findByRole('list', { name: 'APIs' }));

it('lists what can be used, and leads to where access is asked for', async () => {
  const { asked } = show(
    <ApisPage />,
    list([
      toys,
      { ...toys, name: 'books', displayName: 'Books', approvalMode: 'manual' },
    ]),
  );
  const shown = await cards();
  expect(shown.getByRole('link', { name: 'Toys' })).toHaveAttribute(
    'href',
    '/apis/toystore/toys',
  );
  expect(shown.getByText('Access at once')).toBeInTheDocument();
  expect(shown.getByText('Access after approval')).toBeInTheDocument();
  const [plans] = shown.getAllByRole('list', { name: 'Plans' });
  expect(within(plans).getByText('gold')).toBeInTheDocument();
  expect(asked.every(it => it.query.get('status') !== 'Draft')).toBe(true);
});

it('shows problems to those who look after the API, and what matters to all', async () => {
  const keys = {
    waiting: 0,
    approved: 1,
    pending: 0,
    denied: 0,
    expired: 0,
    failed: 0,
  };
  show(
    <ApisPage />,
    list([
      { ...toys, problems: [failed('OpenAPISpecReady')] },
      { ...toys, name: 'own', keys, problems: [failed('OpenAPISpecReady')] },
      { ...toys, name: 'down', tiers: [], problems: [failed('Ready')] },
    ]),
  );
  const shown = await cards();
  expect(shown.getAllByText('1 problem')).toHaveLength(1);
  expect(shown.getAllByText('Not reachable at the moment')).toHaveLength(1);
  expect(shown.getAllByText('No plans yet')).toHaveLength(1);
});

it('has no alarm about plans where a token is all that an API takes', async () => {
  const jwt = { issuerUrl: 'https://issuer.example.com' };
  show(<ApisPage />, {
    ...list([{ ...toys, tiers: [] }]),
    'GET /v1/products/toystore/toys': {
      ...product,
      plans: [],
      authScheme: { authentication: { members: { jwt } } },
    },
  });
  const shown = await cards();
  expect(await shown.findByText('Access by a token')).toBeInTheDocument();
  expect(shown.queryByText('No plans yet')).not.toBeInTheDocument();
  expect(shown.queryByText('Access at once')).not.toBeInTheDocument();
});

it('asks for what the address says, and writes there what is looked for', async () => {
  const { asked, apis } = show(<ApisPage />, list([toys]), '/?team=toystore');
  await cards();
  expect(asked.map(it => it.query.toString())).toContain(
    'status=Published&namespace=toystore',
  );
  await userEvent.type(screen.getByRole('searchbox'), 'toy');
  await waitFor(() =>
    expect(asked.at(-1)?.query.toString()).toBe(
      'status=Published&namespace=toystore&q=toy',
    ),
  );
  expect(apis.get(coreApis.appHistory)?.getSnapshot().location.search).toBe(
    '?team=toystore&q=toy',
  );
});

it('dims what was looked for before until what is looked for now is there', async () => {
  let answer = (_: unknown) => {};
  const sought = new Promise(done => {
    answer = done;
  });
  show(<ApisPage />, {
    ...list([toys]),
    'GET /v1/products': ({ query }: Asked) =>
      query.has('q') ? sought : { items: [toys] },
  });
  const before = (await screen.findByText('Toys')).closest('[aria-busy]');
  expect(before).toHaveAttribute('aria-busy', 'false');
  await userEvent.type(screen.getByRole('searchbox'), 'zebra');
  await waitFor(() => expect(before).toHaveAttribute('aria-busy', 'true'));
  expect(before).toHaveStyle({ opacity: 0.5 });
  answer({ items: [] });
  expect(await screen.findByText('No API matches')).toBeInTheDocument();
  expect(before).toHaveAttribute('aria-busy', 'false');
});

it('does not say that nothing matches before it is known', async () => {
  show(
    <ApisPage />,
    {
      ...list([]),
      'GET /v1/products': ({ query }: Asked) =>
        query.has('q') ? { items: [] } : new Promise(() => {}),
    },
    '/?q=zebra',
  );
  await screen.findByText('No API matches');
  await userEvent.click(
    screen.getByRole('button', { name: 'Clear the filters' }),
  );
  expect(
    await screen.findByRole('status', { name: 'Loading' }),
  ).toBeInTheDocument();
  expect(screen.queryByText('No APIs yet')).not.toBeInTheDocument();
});

it('fetches more on demand', async () => {
  const { asked } = show(<ApisPage />, list([toys], 'more'));
  await userEvent.click(
    await screen.findByRole('button', { name: 'Show more' }),
  );
  await waitFor(() => expect(asked.at(-1)?.query.get('after')).toBe('more'));
});

it('says what to do where there is nothing', async () => {
  show(<ApisPage />, list([]));
  expect(await screen.findByText('No APIs yet')).toBeInTheDocument();
});

it('clears what finds nothing', async () => {
  show(<ApisPage />, list([]), '/?q=zebra');
  expect(await screen.findByText('No API matches')).toBeInTheDocument();
  await userEvent.click(
    screen.getByRole('button', { name: 'Clear the filters' }),
  );
  expect(await screen.findByText('No APIs yet')).toBeInTheDocument();
});

it('shows the server’s words where it fails', async () => {
  show(<ApisPage />, {
    'GET /v1/products': problem(403, 'Forbidden', 'you may not list products'),
  });
  expect(
    await screen.findByText('you may not list products'),
  ).toBeInTheDocument();
});
