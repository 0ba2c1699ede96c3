import { screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import type {
  Key,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf } from '../portal';
import { Portal } from '../shown';
import { key, me, product } from '../__testUtils__/examples';
import { problem } from '../__testUtils__/fakePortal';
import { show } from '../__testUtils__/show';
import { RequestButton } from './RequestButton';

jest.setTimeout(30_000);

const KEY = '/v1/keys/consumer/toys-1';

const ask = (answers: Parameters<typeof show>[1], of = product) =>
  show(
    <Portal>
      <RequestButton product={of} />
    </Portal>,
    { 'GET /v1/me': me, [`GET ${KEY}`]: key, ...answers },
  );

const click = (name: string) =>
  screen.findByRole('button', { name }).then(it => userEvent.click(it));

const send = async () =>
  userEvent.click(
    within(await screen.findByRole('dialog')).getByRole('button', {
      name: 'Request access',
    }),
  );

it('goes from the request to the value in four clicks', async () => {
  const { asked } = ask({
    'POST /v1/keys': () => Response.json(key, { status: 201 }),
    [`POST ${KEY}/reveal`]: {
      value: 'dpk_secret',
      hostname: 'toys.example.com',
      url: 'https://toys.example.com/',
    },
  });
  await click('Request access');
  expect(
    await screen.findByText('You get access at once.'),
  ).toBeInTheDocument();
  await userEvent.type(screen.getByLabelText('What is it for?'), 'A shop');
  await send();
  await click('Reveal');
  await click('Show it now');
  expect(await screen.findByDisplayValue('dpk_secret')).toBeInTheDocument();
  expect(asked.find(it => it.method === 'POST')?.body).toEqual({
    namespace: 'consumer',
    planTier: 'gold',
    product: { namespace: 'toystore', name: 'toys' },
    useCase: 'A shop',
  });
});

it('gives the focus back when the last of its dialogs closes', async () => {
  ask({
    'POST /v1/keys': () => Response.json(key, { status: 201 }),
    [`POST ${KEY}/reveal`]: { value: 'dpk_secret' },
  });
  await click('Request access');
  await send();
  await click('Reveal');
  await click('Show it now');
  await click('I have kept it');
  await waitFor(() =>
    expect(
      screen.getByRole('button', { name: 'Request access' }),
    ).toHaveFocus(),
  );
});

it('keeps what was typed when it is refused, and sends the same form again', async () => {
  let times = 0;
  const { asked } = ask({
    'POST /v1/keys': () => {
      times += 1;
      return times === 1
        ? problem(422, 'Invalid', 'useCase: say more', [
            { field: 'useCase', message: 'say more' },
          ])
        : Response.json(key, { status: 201 });
    },
  });
  await click('Request access');
  await userEvent.click(await screen.findByRole('radio', { name: /silver/ }));
  await userEvent.type(screen.getByLabelText('What is it for?'), 'A');
  await send();
  expect(await screen.findByText('say more')).toBeInTheDocument();
  expect(screen.getByLabelText('What is it for?')).toHaveValue('A');
  expect(screen.getByRole('radio', { name: /silver/ })).toBeChecked();
  await send();
  await waitFor(() => expect(times).toBe(2));
  const [first, second] = asked
    .filter(it => it.method === 'POST')
    .map(it => it.headers.get('Idempotency-Key'));
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(second).toBe(first);
});

/** Longer than the app takes to be mounted anew. */
const later = () => new Promise(done => setTimeout(done, 1_500));

it('is sent again as the same after somebody left to look whether it was done', async () => {
  let times = 0;
  const { asked } = ask({
    'POST /v1/keys': () => {
      times += 1;
      switch (times) {
        case 1:
          return problem(503, 'Unavailable', 'nobody answers');
        // Which tells nothing of the first.
        case 2:
          return problem(403, 'Forbidden', 'you may not');
        default:
          return Response.json(key, { status: 201 });
      }
    },
  });
  await click('Request access');
  await userEvent.type(
    await screen.findByLabelText('What is it for?'),
    'A shop',
  );
  for (const answer of ['nobody answers', 'you may not']) {
    await send();
    await screen.findByText(answer);
    await click('Cancel');
    await later();
    await click('Request access');
    expect(await screen.findByLabelText('What is it for?')).toHaveValue(
      'A shop',
    );
    expect(screen.getByText(/it is not done twice/)).toBeInTheDocument();
  }
  await send();
  await screen.findByRole('button', { name: 'Reveal' });
  const [first, ...others] = asked
    .filter(it => it.method === 'POST')
    .map(it => [it.body, it.headers.get('Idempotency-Key')]);
  expect(others).toEqual([first, first]);
  await userEvent.keyboard('{Escape}');
  await click('Request access');
  expect(await screen.findByLabelText('What is it for?')).toHaveValue('');
});

it('is discarded when it is cancelled, and kept when its dialog only closes', async () => {
  ask({});
  const words = () => screen.findByLabelText('What is it for?');
  await click('Request access');
  await userEvent.type(await words(), 'A shop');
  await userEvent.keyboard('{Escape}');
  await later();
  await click('Request access');
  expect(await words()).toHaveValue('A shop');
  await click('Begin anew');
  expect(await words()).toHaveValue('');
  await userEvent.type(await words(), 'A toy');
  await click('Cancel');
  await click('Request access');
  expect(await words()).toHaveValue('');
});

it('counts as something new after its Idempotency-Key was used', async () => {
  const { asked } = ask({
    'POST /v1/keys': () =>
      problem(409, 'IdempotencyKeyUsed', 'this Idempotency-Key was sent'),
  });
  await click('Request access');
  await send();
  expect(
    await screen.findByText(/it then counts as something new/),
  ).toBeInTheDocument();
  await send();
  const sent = () => asked.filter(it => it.method === 'POST');
  await waitFor(() => expect(sent()).toHaveLength(2));
  const [first, second] = sent().map(it => it.headers.get('Idempotency-Key'));
  expect(second).not.toBe(first);
});

it('asks also where Backstage is served without TLS', async () => {
  // Browsers leave it out there.
  Object.defineProperty(crypto, 'randomUUID', {
    value: undefined,
    configurable: true,
  });
  try {
    ask({ 'POST /v1/keys': () => Response.json(key, { status: 201 }) });
    await click('Request access');
    await send();
    expect(
      await screen.findByRole('button', { name: 'Reveal' }),
    ).toBeInTheDocument();
  } finally {
    Reflect.deleteProperty(crypto, 'randomUUID');
  }
});

it('does not claim that what failed is sent again, and keeps what was typed', async () => {
  const { asked } = ask({
    'POST /v1/keys': () => problem(503, 'Unavailable', 'nobody answers'),
  });
  await click('Request access');
  await userEvent.type(
    await screen.findByLabelText('What is it for?'),
    'A shop',
  );
  await send();
  expect(await screen.findByText('nobody answers')).toBeInTheDocument();
  expect(screen.getByText(/Look whether it was done/)).toBeInTheDocument();
  expect(screen.queryByText(/by itself/)).not.toBeInTheDocument();
  expect(screen.getByLabelText('What is it for?')).toHaveValue('A shop');
  expect(asked.filter(it => it.method === 'POST')).toHaveLength(1);
});

const manual: Product = {
  ...product,
  spec: { ...product.spec, approvalMode: 'manual' },
};

const SOON = 'The value is being made …';

it.each<[Key['state'], Product, isSoon: boolean]>([
  ['Approved', manual, true],
  ['Pending', product, true],
  ['Pending', manual, false],
  ['Denied', product, false],
  ['Failed', product, false],
  ['Expired', product, false],
])('announces a value only where one comes: %s', async (state, of, isSoon) => {
  const made = { ...key, state, canReveal: false, message: 'Why it is so' };
  ask(
    {
      'POST /v1/keys': () => Response.json(made, { status: 201 }),
      [`GET ${KEY}`]: made,
    },
    of,
  );
  await click('Request access');
  await send();
  expect(await screen.findByText('Why it is so')).toBeInTheDocument();
  expect(screen.getByText(state)).toBeInTheDocument();
  expect(screen.queryAllByText(SOON)).toHaveLength(isSoon ? 1 : 0);
});

it('offers no value to somebody who may not be shown it', async () => {
  const made = { ...key, may: { ...key.may, reveal: false } };
  ask({
    'POST /v1/keys': () => Response.json(made, { status: 201 }),
    [`GET ${KEY}`]: made,
  });
  await click('Request access');
  await send();
  expect(await screen.findByText('Your request is made')).toBeInTheDocument();
  expect(
    screen.queryByRole('button', { name: 'Reveal' }),
  ).not.toBeInTheDocument();
  expect(screen.queryByText(SOON)).not.toBeInTheDocument();
});

it('knows rights that were given since the page was opened', async () => {
  let requestIn: string[] = [];
  const { api } = ask({ 'GET /v1/me': () => ({ ...me, requestIn }) });
  await screen.findByRole('button', { name: 'Request access' });
  await api.queries.fetchQuery({
    queryKey: ['me'],
    queryFn: () => dataOf(api.client.GET('/v1/me')),
  });
  requestIn = ['consumer'];
  await click('Request access');
  expect(await screen.findByLabelText('What is it for?')).toBeInTheDocument();
});

it('says who decides before anything is sent', async () => {
  ask(
    {},
    {
      ...product,
      spec: {
        ...product.spec,
        approvalMode: 'manual',
        owner: { kind: 'Group', name: 'toy-team' },
      },
    },
  );
  await click('Request access');
  expect(await screen.findByText('toy-team')).toBeInTheDocument();
  expect(screen.queryByLabelText('Namespace')).not.toBeInTheDocument();
  expect(
    screen.queryByLabelText('Your e-mail address'),
  ).not.toBeInTheDocument();
});

it('shows the advice where somebody can ask nowhere', async () => {
  ask({
    'GET /v1/me': { ...me, requestIn: [], advice: 'Ask the platform team' },
  });
  await click('Request access');
  expect(await screen.findByText('Ask the platform team')).toBeInTheDocument();
  expect(
    screen.getByRole('button', { name: 'Copy this text' }),
  ).toBeInTheDocument();
});
