import { screen, waitFor, within } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import type { NavContentComponentProps } from '@backstage/plugin-app-react';
import type { Myself } from '@devportal/backstage-plugin-devportal-common';
import { PortalApi, portalApiRef } from '@devportal/backstage-plugin-devportal';
import { Nav } from './Nav';

jest.setTimeout(30_000);

type Items = NavContentComponentProps['navItems'];
type Item = NonNullable<ReturnType<Items['take']>>;

const PAGES: Record<string, [title: string, href: string]> = {
  'page:devportal/apis': ['APIs', '/apis'],
  'page:devportal/keys': ['My keys', '/api-keys'],
  'page:devportal/requests': ['Access requests', '/api-requests'],
  'page:devportal/products': ['API products', '/api-products'],
  'page:devportal/health': ['Portal health', '/api-health'],
  'page:user-settings': ['Settings', '/settings'],
};

/** Without the pages that Backstage does not permit. */
function itemsWithout(refused: string[]): Items {
  const items = {
    clone: () => items,
    take: (id: string): Partial<Item> | undefined => {
      const [title, href] = PAGES[id];
      return refused.includes(id) ? undefined : { title, href, icon: <svg /> };
    },
  } as Items;
  return items;
}

const nobody: Myself = {
  user: 'alice',
  groups: [],
  decides: false,
  pendingRequests: 0,
  publishIn: [],
  requestIn: [],
  seesKeys: false,
  seesRequests: false,
};

/** The menu of somebody who has every page that is not named. */
async function menuOf(me: Partial<Myself>, ...refused: string[]) {
  const fetch = async (input: unknown) =>
    String(input).endsWith('/v1/me')
      ? Response.json({ ...nobody, ...me })
      : new Response(new ReadableStream());
  renderInTestApp(<Nav navItems={itemsWithout(refused)} />, {
    apis: [[portalApiRef, new PortalApi({ fetch })]],
  });
  const menu = within(await screen.findByRole('list'));
  return () => menu.getAllByRole('link').map(it => it.title);
}

it('leads a consumer to APIs and keys', async () => {
  const titles = await menuOf(
    { requestIn: ['consumer'], seesKeys: true },
    'page:devportal/health',
    'page:devportal/requests',
  );
  await waitFor(() =>
    expect(titles()).toEqual(['APIs', 'My keys', 'Catalog', 'Settings']),
  );
});

it('leads an owner to requests and products, and says how many wait', async () => {
  const titles = await menuOf(
    {
      publishIn: ['toystore'],
      seesRequests: true,
      decides: true,
      pendingRequests: 3,
    },
    'page:devportal/health',
  );
  await waitFor(() =>
    expect(titles()).toEqual([
      'APIs',
      'Requests',
      'API products',
      'Catalog',
      'Settings',
    ]),
  );
  expect(screen.getByRole('img', { name: '3 waiting' })).toBeInTheDocument();
});

it('leads an administrator everywhere', async () => {
  const titles = await menuOf({
    publishIn: ['toystore'],
    requestIn: ['consumer'],
    seesKeys: true,
    seesRequests: true,
    decides: true,
  });
  await waitFor(() =>
    expect(titles()).toEqual([
      'APIs',
      'My keys',
      'Requests',
      'API products',
      'Portal health',
      'Catalog',
      'Settings',
    ]),
  );
});

it('leads a platform engineer to what is amiss', async () => {
  const titles = await menuOf({ seesKeys: true, seesRequests: true });
  await waitFor(() =>
    expect(titles()).toEqual([
      'APIs',
      'My keys',
      'Requests',
      'API products',
      'Portal health',
      'Catalog',
      'Settings',
    ]),
  );
});

it('leads somebody without rights to APIs only', async () => {
  const titles = await menuOf({}, 'page:devportal/health');
  await waitFor(() =>
    expect(titles()).toEqual(['APIs', 'Catalog', 'Settings']),
  );
});
