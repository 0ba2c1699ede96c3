import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { me } from '../__testUtils__/examples';
import { FakePortal } from '../__testUtils__/fakePortal';
import type { Asked } from '../__testUtils__/fakePortal';
import { ApisPage } from '../apis/ApisPage';
import { ConsistencyPage } from '../health/ConsistencyPage';
import { PortalApi, portalApiRef } from '../portal';
import { ProductsPage } from '../products/ProductsPage';
import { RequestsPage } from '../requests/RequestsPage';

jest.setTimeout(30_000);

/** None of them stands on the first page of products. */
const TEAMS = { published: ['toystore', 'zoo'], drafts: ['attic'] };

const namespaces = ({ query }: Asked) => ({
  items:
    query.get('status') === 'Published'
      ? TEAMS.published
      : [...TEAMS.drafts, ...TEAMS.published],
});

const answers = {
  'GET /v1/me': { ...me, seesRequests: true, publishIn: ['workshop'] },
  'GET /v1/products': { items: [], next: 'more' },
  'GET /v1/products/namespaces': namespaces,
  'GET /v1/requests': { items: [] },
};

const ofAll = ['All teams', 'attic', 'toystore', 'workshop', 'zoo'];

it.each([
  ['APIs', ApisPage, '/v1/products', ['All teams', ...TEAMS.published]],
  ['requests', RequestsPage, '/v1/requests', ofAll],
  ['products', ProductsPage, '/v1/products', ofAll],
  ['gaps', ConsistencyPage, '/v1/products', ofAll],
])(
  'the list of %s is narrowed to a team of which it shows nothing yet',
  async (_, Shown, path, offered) => {
    const portal = new FakePortal(answers);
    renderInTestApp(<Shown />, {
      apis: [[portalApiRef, new PortalApi(portal)]],
    });
    const picker = await screen.findByRole('button', { name: /Team/ });
    const names = () => screen.getAllByRole('option').map(it => it.textContent);
    await userEvent.click(picker);
    await waitFor(() => expect(names()).toEqual(offered));

    await userEvent.click(screen.getByRole('option', { name: 'zoo' }));
    await waitFor(() =>
      expect(
        portal.asked.some(
          it => it.path === path && it.query.get('namespace') === 'zoo',
        ),
      ).toBe(true),
    );
  },
);
