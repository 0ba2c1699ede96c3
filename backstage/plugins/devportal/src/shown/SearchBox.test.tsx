import { useState } from 'react';
import { act, fireEvent, render, screen } from '@testing-library/react';
import { SearchBox } from './SearchBox';

const searched = jest.fn();

/** As on a page: what is searched for is the value. */
function Page() {
  const [value, setValue] = useState<string>();
  return (
    <>
      <SearchBox
        label="Search"
        value={value}
        onSearch={text => {
          searched(text);
          setValue(text || undefined);
        }}
      />
      <button onClick={() => setValue(undefined)}>Clear</button>
      <button onClick={() => setValue('silver')}>Silver</button>
    </>
  );
}

const box = () => screen.getByRole('searchbox');
const type = (value: string) => fireEvent.change(box(), { target: { value } });
const press = (name: string) => fireEvent.click(screen.getByText(name));
const pause = (milliseconds: number) =>
  act(() => jest.advanceTimersByTime(milliseconds));

beforeEach(() => {
  jest.useFakeTimers();
  searched.mockClear();
  render(<Page />);
});

afterEach(() => jest.useRealTimers());

it('keeps the space between two words, however long the pause', () => {
  type('gold ');
  pause(1_000);
  expect(box()).toHaveValue('gold ');
  type('gold key');
  pause(1_000);
  expect(searched.mock.calls).toEqual([['gold'], ['gold key']]);
});

it('keeps what is typed when another value comes meanwhile', () => {
  type('gold');
  pause(100);
  press('Silver');
  expect(box()).toHaveValue('gold');
  pause(1_000);
  expect(box()).toHaveValue('gold');
  expect(searched.mock.calls).toEqual([['gold']]);
});

it('shows a value that comes from elsewhere', () => {
  type('gold');
  pause(1_000);
  press('Clear');
  expect(box()).toHaveValue('');
  press('Silver');
  expect(box()).toHaveValue('silver');
});
