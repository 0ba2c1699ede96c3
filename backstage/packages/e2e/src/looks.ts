/*
 * Is a page fit to be seen? By axe, in both themes, wide and narrow; and a picture of
 * each for whoever looks.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import AxeBuilder from '@axe-core/playwright';
import type { Browser, Page } from 'playwright-core';

const pictures = process.env.PICTURES;

/** Parts of Backstage itself, whose faults are not ours to mend. */
const NOT_OURS = [
  // Its headings for screen readers stand outside of any region, as do its tabs, which
  // name panels that are not there.
  '.bui-PluginHeaderToolbarName',
  '.bui-VisuallyHidden',
  '.bui-Tabs:has([role=tab][href])',
  // React Aria announces a button that is pending by the name of something gone.
  '[data-live-announcer]',
];

const faults: string[] = [];

/** Each theme and each width once: a fault of a theme shows at either width. */
const LOOKS = [
  { scheme: 'light', width: 1440 },
  { scheme: 'dark', width: 390 },
] as const;

/** Looks at a page in each theme and width, and takes its pictures. */
export async function look(page: Page, name: string): Promise<void> {
  const before = page.viewportSize();
  for (const { scheme, width } of LOOKS) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize({ width, height: width < 600 ? 844 : 900 });
    await page.waitForTimeout(400);
    const label = `${name}-${scheme}-${width}`;
    await judge(page, label);
    if (pictures) {
      await mkdir(pictures, { recursive: true });
      await page.screenshot({ path: join(pictures, `${label}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  if (before) {
    await page.setViewportSize(before);
  }
  // Backstage mounts the app anew for another theme.
  await page.waitForTimeout(400);
}

/** A theme fades in: half way there is no contrast. What turns without end is not waited for. */
const transitionsEnd = async () => {
  const ends = (it: Animation) =>
    Number.isFinite(it.effect?.getComputedTiming().endTime);
  const all = document.getAnimations().filter(ends);
  await Promise.allSettled(all.map(it => it.finished));
};

async function judge(page: Page, label: string): Promise<void> {
  // Backstage lays out anew for another width, which takes a while on a busy machine.
  const fits = () => document.documentElement.scrollWidth <= window.innerWidth;
  await page.waitForFunction(fits, undefined, { timeout: 10_000 }).catch(() => {
    faults.push(`${label}: it scrolls sideways`);
  });
  const analyze = async () => {
    await page.evaluate(transitionsEnd);
    const builder = NOT_OURS.reduce(
      (all, selector) => all.exclude(selector),
      new AxeBuilder({ page }),
    );
    return (await builder.analyze()).violations;
  };
  let violations = await analyze();
  if (violations.length > 0) {
    // The theme may have come late; a fault stays.
    await page.waitForTimeout(1_000);
    violations = await analyze();
  }
  for (const { id, help, nodes } of violations) {
    const where = nodes.map(it => it.html.slice(0, 120)).slice(0, 3);
    faults.push(`${label}: ${id}: ${help}\n    ${where.join('\n    ')}`);
  }
}

/** What each open page shows when the story breaks off: its text, and a picture. */
export async function lastSights(browser: Browser): Promise<void> {
  const pages = browser.contexts().flatMap(it => it.pages());
  for (const [at, page] of pages.entries()) {
    const text = await page.locator('body').innerText();
    process.stderr.write(`--- ${page.url()}\n${text.slice(0, 3_000)}\n`);
    if (pictures) {
      await page.screenshot({ path: join(pictures, `failed-${at}.png`) });
    }
  }
}

/** @throws When any page had a fault. */
export function nothingIsAmiss(): void {
  if (faults.length > 0) {
    throw new Error(`${faults.length} faults of pages:\n${faults.join('\n')}`);
  }
}
