import { renderInTestApp } from '@backstage/frontend-test-utils';
import { screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Question } from './Question';

it('cannot be left while what it asked for is under way', async () => {
  const onClose = jest.fn();
  const question = {
    title: 'Delete it?',
    action: 'Delete',
    children: 'It is gone then.',
    onConfirm: () => {},
    onClose,
  };
  renderInTestApp(<Question {...question} isPending />);
  expect(await screen.findByRole('button', { name: 'Cancel' })).toBeDisabled();
  await userEvent.keyboard('{Escape}');
  await userEvent.click(document.body);
  expect(onClose).not.toHaveBeenCalled();
});
