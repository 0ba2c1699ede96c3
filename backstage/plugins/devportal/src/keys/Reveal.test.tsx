import { useState } from 'react';
import { act, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { Portal } from '../shown';
import { key } from '../__testUtils__/examples';
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
        <Reveal of={key} onClose={() => setOpen(false)} onRotate={onRotate} />
      )}
    </Portal>
  );
}

/** The value, when the test says so. */
function later() {
  let tell: (answer: unknown) => void = () => {};
  const answer = new Promise<unknown>(resolve => {
    tell = resolve;
  });
  return { answer: () => answer, tell };
}

const pause = (ms: number) =>
  act(() => new Promise<void>(resolve => setTimeout(resolve, ms)));

/** As often mounted anew as the test says; 0: not at all. */
function Remounted({ on }: { on: { mount: (time: number) => void } }) {
  const [time, mount] = useState(1);
  on.mount = mount;
  return time > 0 ? <Opened key={time} onRotate={jest.fn()} /> : null;
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

it('does not claim to ask again by itself', async () => {
  const { asked } = show(<Opened onRotate={jest.fn()} />, {
    [REVEAL]: () => problem(503, 'Unavailable', 'nobody answers'),
  });
  await click('Show it now');
  expect(await screen.findByText('nobody answers')).toBeInTheDocument();
  expect(screen.getByText(/Look whether it was done/)).toBeInTheDocument();
  expect(asked).toHaveLength(1);
});

it('cannot be left while the value is on its way', async () => {
  const { answer, tell } = later();
  show(<Opened onRotate={jest.fn()} />, { [REVEAL]: answer });
  await click('Show it now');
  expect(screen.getByRole('button', { name: 'Cancel' })).toBeDisabled();
  await userEvent.keyboard('{Escape}');
  await click('Close');
  await userEvent.click(document.body);
  tell({ value: 'dpk_secret' });
  expect(await screen.findByDisplayValue('dpk_secret')).toBeInTheDocument();
});

it('can be left again once the value was refused', async () => {
  const { answer, tell } = later();
  show(<Opened onRotate={jest.fn()} />, { [REVEAL]: answer });
  await click('Show it now');
  tell(problem(409, 'NotReady', 'it is being made'));
  expect(await screen.findByText('it is being made')).toBeInTheDocument();
  await click('Cancel');
  await waitFor(() =>
    expect(screen.queryByRole('dialog')).not.toBeInTheDocument(),
  );
});

it('shows the value that comes after the app was mounted anew', async () => {
  const { answer, tell } = later();
  const on = { mount: (_: number) => {} };
  show(<Remounted on={on} />, { [REVEAL]: answer });
  await click('Show it now');
  act(() => on.mount(2));
  expect(await screen.findByRole('button', { name: 'Cancel' })).toBeDisabled();
  tell({ value: 'dpk_secret' });
  expect(await screen.findByDisplayValue('dpk_secret')).toBeInTheDocument();
  await click('I have kept it');
  await waitFor(() =>
    expect(screen.queryByRole('dialog')).not.toBeInTheDocument(),
  );
});

it('forgets a value that comes when nobody is there any more', async () => {
  const { answer, tell } = later();
  const on = { mount: (_: number) => {} };
  const { api } = show(<Remounted on={on} />, { [REVEAL]: answer });
  await click('Show it now');
  act(() => on.mount(0));
  await pause(1_200);
  tell({ value: 'dpk_secret' });
  await pause(200);
  expect(api.kept.find('value of consumer/toys-1')).toBeUndefined();
  act(() => on.mount(2));
  expect(
    await screen.findByRole('button', { name: 'Show it now' }),
  ).toBeEnabled();
  expect(screen.queryByDisplayValue('dpk_secret')).not.toBeInTheDocument();
});
