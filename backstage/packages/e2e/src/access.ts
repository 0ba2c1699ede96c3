/* Does Petra see who may do what, and does the cluster keep it from Olivia? */
import type { Page } from 'playwright-core';
import { look } from './looks';
import { check, tell } from './told';

export async function access(petra: Page, olivia: Page): Promise<void> {
  await petra.goto('/api-health');
  await petra.getByRole('tab', { name: 'Who may do what' }).click();
  const list = petra.getByRole('table', { name: 'Who may do what' });
  const rows = list.getByRole('row');
  await list.getByText('decide on requests').first().waitFor();
  await look(petra, 'access');
  const all = await rows.count();
  await petra.getByRole('searchbox').fill('toystore');
  await list
    .getByText('consumer', { exact: true })
    .waitFor({ state: 'hidden' });
  const found = await rows.count();
  check(found > 1 && found < all, `${found} of ${all} rows are found`);
  tell('Petra sees who may do what');

  await olivia.goto('/api-health/access');
  await olivia.getByText('You may not see who may do what').waitFor();
  check((await olivia.getByRole('table').count()) === 0, 'Olivia sees no list');
  await look(olivia, 'access-refused');
  tell('… and Olivia, whom it is for');
}
