import { screen } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { Email, To } from './Parts';

jest.setTimeout(30_000);

it('leads only to pages that are there', async () => {
  renderInTestApp(
    <>
      <To href="/here">Here</To>
      <To href={undefined}>Nowhere</To>
    </>,
  );
  expect(await screen.findByRole('link', { name: 'Here' })).toHaveAttribute(
    'href',
    '/here',
  );
  expect(screen.getByText('Nowhere')).toBeInTheDocument();
  expect(screen.getAllByRole('link')).toHaveLength(1);
});

it('makes a link only of what is plainly one e-mail address', async () => {
  renderInTestApp(
    <>
      <Email address="toys@example.com" />
      <Email address="toys@example.com?bcc=eve@example.com" />
      <Email address="toys,eve@example.com" />
    </>,
  );
  expect(
    await screen.findByRole('link', { name: 'toys@example.com' }),
  ).toHaveAttribute('href', 'mailto:toys@example.com');
  expect(screen.getByText('toys,eve@example.com')).toBeInTheDocument();
  expect(screen.getAllByRole('link')).toHaveLength(1);
});
