/* Does Petra find what a product lacks, and whom to tell? */
import type { Page } from 'playwright-core';
import { look } from './looks';
import { kubectl, until } from './stack';
import { check, tell } from './told';

const NAMED = ['apiproduct', 'bare', '--namespace=toystore'];

export async function consistency(page: Page): Promise<void> {
  await kubectl('olivia', ['create', '--filename=-'], {
    apiVersion: 'devportal.kuadrant.io/v1alpha1',
    kind: 'APIProduct',
    metadata: { name: 'bare', namespace: 'toystore' },
    spec: {
      displayName: 'Bare',
      approvalMode: 'manual',
      publishStatus: 'Published',
      targetRef: {
        group: 'gateway.networking.k8s.io',
        kind: 'HTTPRoute',
        name: 'toystore',
      },
      contact: { team: 'Bare team', email: 'bare@example.com' },
    },
  });
  await page.goto('/api-health');
  await page.getByRole('tab', { name: 'Consistency' }).click();
  const list = page.getByRole('table', { name: 'Products that lack' });
  const row = list.getByRole('row', { name: /toystore\/bare/ });
  await row.getByText('nothing says what the API does').waitFor();
  await row.getByText('Bare team').waitFor();
  await row.getByRole('link', { name: 'bare@example.com' }).waitFor();
  await look(page, 'consistency');
  tell('Petra sees what a product lacks, and whom to tell');

  await page.getByLabel('Search name, description').fill('bare');
  await page.getByRole('button', { name: /Team/ }).click();
  await page.getByRole('option', { name: 'toystore' }).click();
  await until('the filter is in the address', async () => {
    const { search } = new URL(page.url());
    return search.includes('q=bare') && search.includes('team=toystore');
  });
  await page.reload();
  await row.waitFor();
  const words = await page.getByLabel('Search name, description').inputValue();
  check(words === 'bare', `after a reload it searches for: ${words}`);
  check((await list.getByRole('row').count()) === 2, 'others are left out');

  const spec = {
    description: 'Nothing but toys.',
    contact: { team: 'Bare team' },
  };
  const patch = ['--type=merge', '--patch', JSON.stringify({ spec })];
  await kubectl('olivia', ['patch', ...NAMED, ...patch]);
  const said = row.getByText('nothing says what the API does');
  await said.waitFor({ state: 'detached' });
  tell('The address keeps the filter, and what was mended goes by itself');
  await kubectl('olivia', ['delete', ...NAMED]);
}
