/*
 * Does Petra see who may do what? The cluster keeps it from Adam, and Backstage has no such
 * page for Olivia.
 */
import type { Page } from 'playwright-core';
import { look } from './looks';
import { check, tell } from './told';

export async function access(
  petra: Page,
  adam: Page,
  olivia: Page,
): Promise<void> {
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

  await adam.goto('/api-health/access');
  await adam.getByText('You may not see who may do what').waitFor();
  check((await adam.getByRole('table').count()) === 0, 'Adam sees no list');
  await look(adam, 'access-refused');
  tell('… and Adam, whom it is for');

  await olivia.goto('/api-health/access');
  await olivia.getByText('PAGE NOT FOUND').waitFor();
  tell('Olivia has no such page');
}
