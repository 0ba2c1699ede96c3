/*
 * What do pages show while the portal's server is away? Whoever runs this takes it away
 * and brings it back when they are asked to, a line each way.
 */
import { createInterface } from 'node:readline/promises';
import { launch, signIn } from './browser';
import { lastSights } from './looks';
import { backstage, until } from './stack';

const answers = createInterface({ input: process.stdin });

async function ask(what: string): Promise<void> {
  process.stdout.write(`${what}\n`);
  await new Promise<void>(resolve => {
    answers.once('line', () => resolve());
  });
}

async function outage(): Promise<void> {
  const browser = await launch();
  try {
    const page = await signIn(browser, backstage, 'Alice');
    await page.goto('/api-keys');
    const key = page.getByRole('link', { name: /toys-bulk/ }).first();
    await key.waitFor();
    const told = page
      .getByText(/The portal cannot be reached\. What you see/)
      .first();
    await ask('away');
    await told.waitFor();
    await key.waitFor();
    // What was not asked for before cannot be shown, and says why.
    await key.click();
    await page.getByRole('alert').first().waitFor();
    await ask('back');
    await page.getByRole('button', { name: 'Delete' }).waitFor();
    await until('the warning is gone', async () => (await told.count()) === 0);
  } catch (error) {
    await lastSights(browser);
    throw error;
  } finally {
    answers.close();
    await browser.close();
  }
}

outage().catch(error => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
