import { screen } from '@testing-library/react';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { Portal } from '../shown';
import { me, product } from '../__testUtils__/examples';
import { show } from '../__testUtils__/show';
import { Access } from './Access';

jest.setTimeout(30_000);

const jwt = { issuerUrl: 'https://issuer.example.com' };

const planless: Product = {
  ...product,
  plans: [],
  problems: [
    {
      kind: 'PlanPolicyDiscovered',
      holds: false,
      reason: 'NotFound',
      message: 'PlanPolicy not found',
      since: '2026-11-01T10:00:00Z',
    },
  ],
};

const open = (of: Product) =>
  show(
    <Portal>
      <Access path={{ namespace: 'toystore', name: 'toys' }} />
    </Portal>,
    {
      'GET /v1/me': me,
      'GET /v1/products/toystore/toys': of,
      'GET /v1/keys': { items: [] },
    },
  );

it('says how to get in where a token is all that it takes', async () => {
  open({ ...planless, authScheme: { authentication: { members: { jwt } } } });
  expect(
    await screen.findByText(/A token of the issuer is all that it takes/),
  ).toBeInTheDocument();
  expect(screen.getByText('Token of an issuer (JWT)')).toBeInTheDocument();
  expect(screen.queryByText('PlanPolicy not found')).not.toBeInTheDocument();
  expect(screen.queryByText(/request access/i)).not.toBeInTheDocument();
  expect(screen.queryByText('Access is given at once')).not.toBeInTheDocument();
});

it('misses the plans of an API that takes keys, too', async () => {
  const authentication = {
    members: { jwt },
    keys: { apiKey: { allNamespaces: true } },
  };
  open({ ...planless, authScheme: { authentication } });
  expect(await screen.findByText('PlanPolicy not found')).toBeInTheDocument();
  expect(
    screen.getByText('There is no plan to ask for yet'),
  ).toBeInTheDocument();
});
