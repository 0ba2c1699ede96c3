/*
 * Can somebody get a key without a mouse? Each stop of the focus has to be seen, and a
 * dialog has to take the focus and give it back.
 */
import type { Locator, Page } from 'playwright-core';
import { kubectl, until } from './stack';
import { check, tell } from './told';

/** More stops than any page has. */
const MOST = 60;

const named = (page: Page, role: 'button' | 'link', name: string) =>
  page.getByRole(role, { name, exact: true });

/** Outlines and shadows of an element and of what is around it. */
async function marksOf(element: Element): Promise<string[]> {
  const changes = document
    .getAnimations()
    .filter(it => it instanceof CSSTransition);
  await Promise.allSettled(changes.map(it => it.finished));
  // The field of a radio button is hidden: its label is marked.
  const { width, height } = element.getBoundingClientRect();
  const isHidden = width <= 1 || height <= 1;
  let place = isHidden ? element.parentElement : element;
  const marks: string[] = [];
  for (let depth = 0; place && depth < 4; depth += 1) {
    for (const part of [undefined, '::before', '::after']) {
      const style = getComputedStyle(place, part);
      const { outlineStyle, outlineWidth, outlineColor, boxShadow } = style;
      const outline = `${outlineStyle} ${outlineWidth} ${outlineColor}`;
      const isSeen = (it: string) =>
        !/none| 0px rgb|rgba\(0, 0, 0, 0\)/.test(it);
      marks.push(
        ...[outline, boxShadow]
          .filter(isSeen)
          .map(it => `${depth} ${part} ${it}`),
      );
    }
    place = place.parentElement;
  }
  return marks;
}

/** @throws When nothing showed where the focus was that does not show without it. */
async function press(page: Page, key: string): Promise<void> {
  const left = await page.evaluateHandle(
    () => document.activeElement ?? document.body,
  );
  const before = await left.evaluate(marksOf);
  await page.keyboard.press(key);
  const isStop = await left.evaluate(
    it =>
      it.isConnected &&
      it !== document.activeElement &&
      !it.matches('body, [role=dialog]'),
  );
  if (!isStop) return;
  const after = await left.evaluate(marksOf);
  const what = await left.evaluate(it => it.outerHTML.slice(0, 200));
  const isMarked = before.some(it => !after.includes(it));
  check(isMarked, `the focus is not seen at ${what}`);
}

const hasFocus = async (wanted: Locator): Promise<boolean> =>
  (await wanted.and(wanted.page().locator(':focus')).count()) > 0;

/** Goes on to something, stop by stop, and looks at the stop itself by a step to and fro. */
async function goTo(wanted: Locator): Promise<void> {
  const page = wanted.page();
  await wanted.first().waitFor();
  for (let stop = 0; stop < MOST; stop += 1) {
    if (await hasFocus(wanted)) {
      await press(page, 'Tab');
      await press(page, 'Shift+Tab');
      check(await hasFocus(wanted), `the way back does not lead to ${wanted}`);
      return;
    }
    await press(page, 'Tab');
  }
  throw new Error(`no way leads to ${wanted}`);
}

/** A dialog that has just opened has the focus. */
async function entered(page: Page, title: string): Promise<Locator> {
  const dialog = page.getByRole('dialog', { name: title });
  await dialog.waitFor();
  await until(`the focus is in the dialog ${title}`, async () =>
    dialog.evaluate(it => it.contains(document.activeElement)),
  );
  return dialog;
}

export async function byKeyboard(page: Page): Promise<void> {
  await page.goto('/apis');
  await goTo(named(page, 'link', 'Toystore'));
  await page.keyboard.press('Enter');
  const opener = named(page, 'button', 'Request access').first();
  await goTo(opener);
  await page.keyboard.press('Enter');

  const form = await entered(page, 'Request access');
  await goTo(form.getByRole('radio').first());
  await press(page, 'ArrowDown');
  const silver = form.getByRole('radio', { name: /silver/ });
  check(await silver.isChecked(), 'an arrow chooses the next plan');
  await goTo(form.getByLabel('What is it for?'));
  await page.keyboard.type('My mouse is away');
  await goTo(form.getByRole('button', { name: 'Request access' }));
  await page.keyboard.press('Enter');

  await entered(page, 'Access is given');
  await goTo(named(page, 'button', 'Reveal').last());
  await page.keyboard.press('Space');
  const dialog = await entered(page, 'Reveal the key');
  await goTo(dialog.getByRole('button', { name: 'Show it now' }));
  await page.keyboard.press('Space');
  const value = await dialog.getByLabel('Value of the key').inputValue();
  check(value.startsWith('dpk_'), 'a value is shown');
  await goTo(dialog.getByRole('button', { name: 'I have kept it' }));
  await page.keyboard.press('Enter');
  await dialog.waitFor({ state: 'detached' });
  await until('the focus is back', () => hasFocus(opener));
  tell('Alice got a key without a mouse');

  const keys = ['get', 'apikeys', '--namespace=consumer', '--output=json'];
  const { items } = JSON.parse(await kubectl('alice', keys));
  const mine = items.filter(
    (it: { spec: { useCase?: string } }) =>
      it.spec.useCase === 'My mouse is away',
  );
  check(mine.length === 1, 'one key was asked for');
  const [{ metadata }] = mine;
  const remove = ['delete', 'apikey', metadata.name, '--namespace=consumer'];
  await kubectl('alice', remove);
}
