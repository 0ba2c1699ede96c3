/*
 * How does a person use the portal? In a real Chromium, with the pages that
 * Backstage serves.
 */
import { dirname, join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';

/** Starts the Chromium of the npm package, or the one that CHROMIUM names. */
export async function launch(): Promise<Browser> {
  if (process.env.CHROMIUM) {
    return chromium.launch({ executablePath: process.env.CHROMIUM });
  }
  const { default: sparticuz, inflate } = await import('@sparticuz/chromium');
  // It brings NSS and NSPR, which are not on every machine, next to itself.
  const folder = dirname(require.resolve('@sparticuz/chromium'));
  const libraries = await inflate(join(folder, '../../bin/al2023.tar.br'));
  // With one process for everything, the browser ends with the first context.
  const unfit = ['--single-process', '--no-zygote'];
  return chromium.launch({
    executablePath: await sparticuz.executablePath(),
    args: sparticuz.args.filter(it => !unfit.includes(it)),
    env: { ...process.env, LD_LIBRARY_PATH: join(libraries, 'lib') },
  });
}

export type Look = { scheme: 'light' | 'dark'; width: number };

/** Signs somebody in by the name on the demo's sign-in page. */
export async function signIn(
  browser: Browser,
  url: string,
  name: string,
  look: Look = { scheme: 'light', width: 1440 },
): Promise<Page> {
  const context: BrowserContext = await browser.newContext({
    baseURL: url,
    colorScheme: look.scheme,
    viewport: { width: look.width, height: look.width < 600 ? 844 : 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  await page.goto('/');
  await page.getByRole('button', { name }).click();
  await page
    .getByRole('button', { name: 'Sign out' })
    .or(page.locator('nav'))
    .first()
    .waitFor();
  // The first page leads on to another: a click before it has is lost.
  await page.waitForURL(at => at.pathname !== '/');
  return page;
}
