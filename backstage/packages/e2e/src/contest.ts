/* What becomes of two decisions on one request, made at the same time? */
import type { Page } from 'playwright-core';
import { kubectl } from './stack';
import { check, tell } from './told';

const KEY = 'contested';
const REASON = 'Not before the contract is signed';

export async function contest(olivia: Page, adam: Page): Promise<void> {
  await kubectl('alice', ['create', '--filename=-'], {
    apiVersion: 'devportal.kuadrant.io/v1alpha1',
    kind: 'APIKey',
    metadata: { name: KEY, namespace: 'consumer' },
    spec: {
      apiProductRef: { namespace: 'toystore', name: 'toystore-pro' },
      planTier: 'gold',
      useCase: 'Two look at this at once',
      requestedBy: { userId: 'alice', email: 'alice@example.com' },
    },
  });
  for (const page of [olivia, adam]) {
    await page.goto(`/api-requests?q=${KEY}`);
    await page.getByRole('link', { name: /Review the request/ }).click();
    await page.getByText('What do you decide?').waitFor();
  }
  await adam.getByText('Deny', { exact: true }).click();
  await adam.getByLabel(/Reason/).fill(REASON);
  // Adam's decision is on its way when Olivia's arrives.
  const answered = adam.waitForResponse('**/decision');
  await adam.route('**/decision', async route => {
    await olivia.getByText('Approve as asked').click();
    await olivia.getByRole('button', { name: 'Approve' }).click();
    await olivia.getByText('You approved this request').waitFor();
    await route.continue();
  });
  await adam.getByRole('button', { name: 'Deny' }).click();
  const { error } = await (await answered).json();
  check(error?.title === 'Changed', 'Adam decides over what Olivia decided');
  await adam.getByText(error.message).first().waitFor();
  await adam
    .getByText(/approved by olivia/)
    .first()
    .waitFor();
  const kept = await adam.getByLabel(/Reason/).inputValue();
  check(kept === REASON, `of his reason there is left: ${kept}`);
  tell('Adam, who came second, is told, and what he typed is kept');
  await adam.unroute('**/decision');
  await adam
    .getByRole('button', { name: 'I have seen it as it is now' })
    .click();
  await adam.getByRole('button', { name: 'Revoke access' }).click();
  await adam.getByText('You decided against this request').waitFor();
  await olivia
    .getByText(/denied by adam/)
    .first()
    .waitFor();
  tell('He looks again, decides anew, and Olivia sees it');
  const remove = ['delete', 'apikey', KEY, '--namespace=consumer'];
  await kubectl('alice', remove);
}
