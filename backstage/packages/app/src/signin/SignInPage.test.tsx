import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { mockApis, renderInTestApp } from '@backstage/frontend-test-utils';
import type { IdentityApi } from '@backstage/core-plugin-api';
import { SignInPage } from './SignInPage';

jest.setTimeout(30_000);

const users = [
  { ref: 'user:default/alice', title: 'Alice Archer', role: 'Consumer' },
  { ref: 'user:default/olivia', title: 'Olivia Owens', role: 'API owner' },
];

const payload = btoa(JSON.stringify({ exp: Date.now() / 1_000 + 3_600 }));

/** What the backend's provider answers. */
const session = (ref: string) => ({
  profile: { displayName: 'Olivia Owens' },
  providerInfo: {},
  backstageIdentity: {
    token: `e30.${payload}.`,
    expiresInSeconds: 3_600,
    identity: { type: 'user', userEntityRef: ref, ownershipEntityRefs: [ref] },
  },
});

function open() {
  const asked: Headers[] = [];
  jest.spyOn(global, 'fetch').mockImplementation(async (_, init) => {
    asked.push(new Headers(init?.headers));
    return Response.json(session('user:default/olivia'));
  });
  const onSignInSuccess = jest.fn<void, [IdentityApi]>();
  const { unmount } = renderInTestApp(
    <SignInPage onSignInSuccess={onSignInSuccess} />,
    {
      config: { auth: { providers: { demo: { users } } } },
      apis: [mockApis.discovery()],
    },
  );
  return { asked, onSignInSuccess, unmount };
}

beforeEach(() => sessionStorage.clear());
afterEach(() => jest.restoreAllMocks());

it('offers the people that are configured, and keeps who was chosen', async () => {
  const first = open();
  expect(
    await screen.findByRole('button', { name: /Alice Archer/ }),
  ).toBeInTheDocument();
  expect(first.asked).toEqual([]);
  await userEvent.click(screen.getByRole('button', { name: /Olivia Owens/ }));
  await waitFor(() => expect(first.onSignInSuccess).toHaveBeenCalledTimes(1));
  expect(first.asked[0].get('x-devportal-demo-user')).toBe(
    'user:default/olivia',
  );
  first.unmount();

  // The page is loaded anew.
  const second = open();
  await waitFor(() => expect(second.onSignInSuccess).toHaveBeenCalledTimes(1));
  expect(second.asked[0].get('x-devportal-demo-user')).toBe(
    'user:default/olivia',
  );
  expect(
    screen.queryByRole('button', { name: /Alice Archer/ }),
  ).not.toBeInTheDocument();

  // Whoever signs out is forgotten.
  const [[identity]] = second.onSignInSuccess.mock.calls;
  await identity.signOut();
  second.unmount();
  open();
  expect(
    await screen.findByRole('button', { name: /Alice Archer/ }),
  ).toBeInTheDocument();
});
