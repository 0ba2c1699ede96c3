import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import type { Key } from '@devportal/backstage-plugin-devportal-common';
import { PortalApi, portalApiRef } from '../portal';
import { keyRouteRef, keysRouteRef } from '../routes';
import { key } from '../__testUtils__/examples';
import { FakePortal, problem } from '../__testUtils__/fakePortal';
import { KeyPage } from './KeyPage';

jest.setTimeout(30_000);

const PATH = '/v1/keys/consumer/toys-1';

/** A key whose value can be revealed, until somebody does. */
function open(reveal: unknown, of: Key = key) {
  const portal = new FakePortal()
    .on('GET', PATH, of)
    .on('POST', `${PATH}/reveal`, () => {
      const shown: Key = { ...of, canReveal: false };
      portal.on('GET', PATH, shown);
      return reveal;
    });
  renderInTestApp(<KeyPage />, {
    mountPath: '/api-keys/:namespace/:name',
    initialRouteEntries: ['/api-keys/consumer/toys-1'],
    mountedRoutes: {
      '/list': keysRouteRef,
      '/one/:namespace/:name': keyRouteRef,
    },
    apis: [[portalApiRef, new PortalApi(portal)]],
  });
}

const click = (name: string) =>
  screen.findByRole('button', { name }).then(it => userEvent.click(it));

const heading = () => screen.getByRole('heading', { name: /toys/ });

it('gives the focus to its heading when the value was shown and is kept', async () => {
  open({ value: 'dpk_secret' });
  await click('Reveal');
  await click('Show it now');
  await click('I have kept it');
  await waitFor(() => expect(heading()).toHaveFocus());
  expect(
    screen.queryByRole('button', { name: 'Reveal' }),
  ).not.toBeInTheDocument();
});

it('does so where the value was shown already', async () => {
  open(problem(410, 'ShownAlready', 'it was shown already'));
  await click('Reveal');
  await click('Show it now');
  await click('Rotate the key');
  await click('Cancel');
  await waitFor(() => expect(heading()).toHaveFocus());
});

it('gives the focus back to what opened a dialog that changed nothing', async () => {
  open({ value: 'dpk_secret' });
  for (const name of ['Reveal', 'Rotate']) {
    await click(name);
    await click('Cancel');
    await waitFor(() =>
      expect(screen.getByRole('button', { name })).toHaveFocus(),
    );
  }
});

const withRights = (may: Partial<Key['may']>): Key => ({
  ...key,
  may: { reveal: false, rotate: false, delete: false, ...may },
});

it.each([
  ['reveal', 'Reveal'],
  ['rotate', 'Rotate'],
  ['delete', 'Delete'],
])('offers only what may be done: %s', async (right, action) => {
  open({}, withRights({ [right]: true }));
  expect(
    await screen.findByRole('button', { name: action }),
  ).toBeInTheDocument();
  for (const name of ['Reveal', 'Rotate', 'Delete']) {
    expect(screen.queryAllByRole('button', { name })).toHaveLength(
      name === action ? 1 : 0,
    );
  }
});

it('sends somebody who may not rotate the key to others where the value was shown', async () => {
  open(
    problem(410, 'ShownAlready', 'it was shown already'),
    withRights({ reveal: true }),
  );
  await click('Reveal');
  await click('Show it now');
  expect(
    await screen.findByText(/ask whoever may rotate the key/),
  ).toBeInTheDocument();
  expect(
    screen.queryByRole('button', { name: 'Rotate the key' }),
  ).not.toBeInTheDocument();
});
