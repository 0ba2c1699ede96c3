import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { coreApis } from '@backstage/frontend-plugin-api';
import { key } from '../__testUtils__/examples';
import { problem } from '../__testUtils__/fakePortal';
import { show } from '../__testUtils__/show';
import { KeysPage } from './KeysPage';

jest.setTimeout(30_000);

it('asks for what the address says, and writes there what is chosen', async () => {
  const { asked, apis } = show(
    <KeysPage />,
    { 'GET /v1/keys': { items: [key] } },
    '/?state=Denied&q=toy',
  );
  await screen.findByRole('table', { name: 'Keys' });
  expect(asked[0].query.toString()).toBe('q=toy&state=Denied');
  expect(screen.getByRole('searchbox')).toHaveValue('toy');

  await userEvent.click(
    screen.getByRole('radio', { name: 'Approved, not enforced' }),
  );
  await userEvent.type(screen.getByRole('searchbox'), 's');
  const history = apis.get(coreApis.appHistory);
  await waitFor(() =>
    expect(history?.getSnapshot().location.search).toBe(
      '?state=NotEnforced&q=toys',
    ),
  );
  await waitFor(() =>
    expect(asked.at(-1)?.query.toString()).toBe('q=toys&unenforced=true'),
  );
});

it('says what to do where there is no key', async () => {
  show(<KeysPage />, { 'GET /v1/keys': { items: [] } });
  expect(await screen.findByText('No keys yet')).toBeInTheDocument();
  expect(screen.getByRole('link', { name: 'Find an API' })).toBeInTheDocument();
});

it('shows the server’s words where it fails, and tries again', async () => {
  let times = 0;
  show(<KeysPage />, {
    'GET /v1/keys': () => {
      times += 1;
      return times === 1
        ? problem(403, 'Forbidden', 'you may not list keys')
        : { items: [key] };
    },
  });
  expect(await screen.findByText('you may not list keys')).toBeInTheDocument();
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByRole('table')).toBeInTheDocument();
});
