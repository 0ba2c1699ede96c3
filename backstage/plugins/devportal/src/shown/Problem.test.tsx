import { screen } from '@testing-library/react';
import { renderInTestApp } from '@backstage/frontend-test-utils';
import { PortalError } from '../portal';
import { Problem } from './Problem';
import { Question } from './Question';

jest.setTimeout(30_000);

const error = (status: number, title: string, message = 'no') =>
  new PortalError(message, status, title, []);

const CHANGED = 'Something has changed meanwhile';

it.each([0, 503])(
  'tells of a read that it is tried again: %d',
  async status => {
    renderInTestApp(<Problem error={error(status, 'Unavailable')} />);
    expect(
      await screen.findByText(/It is tried again by itself/),
    ).toBeInTheDocument();
  },
);

it.each([0, 500, 503])(
  'tells of a write to look whether it was done: %d',
  async status => {
    renderInTestApp(
      <Question
        title="Do it?"
        action="Do it"
        isPending={false}
        error={error(status, 'Unavailable')}
        onConfirm={jest.fn()}
        onClose={jest.fn()}
      >
        It is done at once.
      </Question>,
    );
    expect(
      await screen.findByText(/Look whether it was done, then send it again/),
    ).toBeInTheDocument();
    expect(screen.queryByText(/by itself/)).not.toBeInTheDocument();
  },
);

it.each([
  [412, 'Changed'],
  [409, 'TermsChanged'],
  [409, 'DecidedAlready'],
])('says that something has changed: %d %s', async (status, title) => {
  renderInTestApp(<Problem isWrite error={error(status, title)} />);
  expect(await screen.findByText(CHANGED)).toBeInTheDocument();
});

it('says what it means that an Idempotency-Key was used', async () => {
  renderInTestApp(<Problem isWrite error={error(409, 'IdempotencyKeyUsed')} />);
  expect(
    await screen.findByText(/has already made something, or the name is taken/),
  ).toBeInTheDocument();
  expect(
    screen.getByText(/Check whether what you want is there already/),
  ).toBeInTheDocument();
  expect(screen.queryByText('It was not done')).not.toBeInTheDocument();
});

it('leaves it to the server’s words where nothing has changed', async () => {
  const words = 'this key’s value is in a Secret of your own: change it there';
  renderInTestApp(<Problem isWrite error={error(409, 'Brought', words)} />);
  expect(await screen.findByText(words)).toBeInTheDocument();
  expect(screen.queryByText(CHANGED)).not.toBeInTheDocument();
  expect(screen.queryByText(/decide anew/)).not.toBeInTheDocument();
});
