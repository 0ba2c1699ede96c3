import { act, screen } from '@testing-library/react';
import {
  TestApiProvider,
  renderInTestApp,
} from '@backstage/frontend-test-utils';
import { catalogApiRef, entityRouteRef } from '@backstage/plugin-catalog-react';
import { useState } from 'react';
import { PortalApi, portalApiRef } from '../portal';
import { Portal } from '../shown';
import { FakePortal } from '../__testUtils__/fakePortal';
import { useEntityPage } from './useEntityPage';

jest.setTimeout(30_000);

const entity = { metadata: { namespace: 'toystore', name: 'toys' } };

let publish: (isPublished: boolean) => void;

function Way() {
  const [isPublished, set] = useState(false);
  publish = set;
  const path = { namespace: 'toystore', name: 'toys' };
  const page = useEntityPage(path, isPublished);
  return <p>{page ?? 'nowhere'}</p>;
}

const getEntities = jest.fn();

async function open() {
  renderInTestApp(
    <TestApiProvider
      apis={[
        [catalogApiRef, { getEntities }],
        [portalApiRef, new PortalApi(new FakePortal())],
      ]}
    >
      <Portal>
        <Way />
      </Portal>
    </TestApiProvider>,
    { mountedRoutes: { '/catalog/:namespace/:kind/:name': entityRouteRef } },
  );
  await screen.findByText('nowhere');
}

const wait = (milliseconds: number) =>
  act(() => jest.advanceTimersByTimeAsync(milliseconds));

describe('the page of a product in the catalog', () => {
  beforeEach(() => {
    getEntities.mockReset();
    jest.useFakeTimers();
  });
  afterEach(() => jest.useRealTimers());

  it('is there once it is published, and gone once it is withdrawn', async () => {
    getEntities.mockResolvedValue({ items: [] });
    await open();
    // Longer than it is asked for.
    await wait(60_000);
    act(() => publish(true));
    await wait(3_000);
    getEntities.mockResolvedValue({ items: [entity] });
    await wait(3_000);
    expect(screen.getByText('/catalog/toystore/api/toys')).toBeInTheDocument();
    act(() => publish(false));
    await wait(100);
    expect(screen.getByText('nowhere')).toBeInTheDocument();
    act(() => publish(true));
    await wait(3_000);
    expect(screen.getByText('/catalog/toystore/api/toys')).toBeInTheDocument();
  });

  it('is not asked for without end where the catalog fails', async () => {
    getEntities.mockRejectedValue(new Error('the catalog is down'));
    await open();
    act(() => publish(true));
    await wait(50_000);
    expect(getEntities).toHaveBeenCalledTimes(10);
  });
});
