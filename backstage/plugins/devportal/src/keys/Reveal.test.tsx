import { useState } from 'react';
import { screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Portal } from '../shown';
import { problem } from '../__testUtils__/fakePortal';
import { show } from '../__testUtils__/show';
import { Reveal } from './Reveal';

jest.setTimeout(30_000);

const REVEAL = 'POST /v1/keys/consumer/toys-1/reveal';

function Opened({ onRotate }: { onRotate: () => void }) {
  const [isOpen, setOpen] = useState(true);
  return (
    <Portal>
      {isOpen && (
        <Reveal
          of={{ namespace: 'consumer', name: 'toys-1' }}
          onClose={() => setOpen(false)}
          onRotate={onRotate}
        />
      )}
    </Portal>
  );
}

const click = (name: string) =>
  screen.findByRole('button', { name }).then(it => userEvent.click(it));

it('asks first, shows the value, and has it nowhere once it is closed', async () => {
  const { asked, api } = show(<Opened onRotate={jest.fn()} />, {
    [REVEAL]: { value: 'dpk_secret' },
  });
  expect(
    await screen.findByText('The value is shown once, and only here'),
  ).toBeInTheDocument();
  expect(asked).toEqual([]);
  await click('Show it now');
  expect(await screen.findByDisplayValue('dpk_secret')).toBeInTheDocument();
  await click('I have kept it');
  await waitFor(() =>
    expect(screen.queryByRole('dialog')).not.toBeInTheDocument(),
  );
  expect(document.body.innerHTML).not.toContain('dpk_secret');
  const remembered = JSON.stringify([
    api.queries
      .getQueryCache()
      .getAll()
      .map(it => it.state),
    api.queries
      .getMutationCache()
      .getAll()
      .map(it => it.state),
    { ...localStorage },
    { ...sessionStorage },
    window.location.href,
  ]);
  expect(remembered).not.toContain('dpk_secret');
});

it('offers a rotation where the value was shown already', async () => {
  const onRotate = jest.fn();
  show(<Opened onRotate={onRotate} />, {
    [REVEAL]: () => problem(410, 'ShownAlready', 'it was shown already'),
  });
  await click('Show it now');
  expect(
    await screen.findByText('This value was shown already'),
  ).toBeInTheDocument();
  await click('Rotate the key');
  expect(onRotate).toHaveBeenCalled();
});

it('says what the server says where the value is not ready, and asks again', async () => {
  let times = 0;
  show(<Opened onRotate={jest.fn()} />, {
    [REVEAL]: () => {
      times += 1;
      return times === 1
        ? problem(409, 'NotReady', 'it is being made')
        : { value: 'dpk_secret' };
    },
  });
  await click('Show it now');
  expect(await screen.findByText('it is being made')).toBeInTheDocument();
  await click('Show it now');
  expect(await screen.findByDisplayValue('dpk_secret')).toBeInTheDocument();
});
