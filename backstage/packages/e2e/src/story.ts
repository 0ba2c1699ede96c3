/*
 * One API's life in Backstage, as its people live it: real pages, the real stack. It
 * ends with 0 when all of it came true.
 */
import type { Page } from 'playwright-core';
import { access } from './access';
import { launch, signIn } from './browser';
import { consistency } from './consistency';
import { contest } from './contest';
import { doors } from './doors';
import { issuer } from './issuer';
import { byKeyboard } from './keyboard';
import { lastSights, look, nothingIsAmiss } from './looks';
import { backstage, kubectl, runCurl, until } from './stack';
import { check, tell } from './told';

const PRODUCT = 'toys-bulk';
const TITLE = 'Toys in bulk';

async function story(): Promise<void> {
  await doors();
  const browser = await launch();
  try {
    const person = (name: string) => signIn(browser, backstage, name);
    const olivia = await person('Olivia');
    await publish(olivia);
    const alice = await person('Alice');
    await request(alice);
    await approveWithLess(olivia);
    const first = await reveal(alice);
    await callUntilLimited(first);
    const second = await rotate(alice, first);
    await revoke(olivia);
    await until('the key is refused', async () => (await call(second)) === 401);
    tell('Olivia revoked it: 401');
    const adam = await person('Adam');
    await history(adam);
    await contest(olivia, adam);
    const petra = await person('Petra');
    await health(petra);
    await consistency(petra);
    await access(petra, adam, olivia);
    await stranger(await person('Oscar'));
    await inFiveClicks(await person('Bob'));
    await hostileTexts(alice);
    await manage(olivia);
    await byKeyboard(alice);
    await issuer(alice);
    nothingIsAmiss();
  } catch (error) {
    await lastSights(browser);
    throw error;
  } finally {
    await browser.close();
  }
}

async function publish(page: Page): Promise<void> {
  await menu(page, 'API products');
  await page.getByRole('link', { name: 'Publish an API' }).first().click();
  await look(page, 'routes');
  await page
    .getByRole('button', { name: 'Choose the route toystore/toystore-pro' })
    .click();
  const field = (name: string | RegExp) => page.getByRole('textbox', { name });
  await field('Display name').fill(TITLE);
  await field(/^Name/).fill(PRODUCT);
  await field('Description').fill(
    'The same toys, for shops that sell them by the hundred.',
  );
  await field('Team').fill('Toystore');
  await field('E-mail').fill('toystore@example.com');
  await look(page, 'publish');
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await page.waitForURL(`**/api-products/toystore/${PRODUCT}`);
  await page.getByText('10,000 requests a day').first().waitFor();
  await look(page, 'product');
  tell('Olivia published an API from a route');
}

async function menu(page: Page, title: string): Promise<void> {
  const entries = page.getByRole('navigation', { name: 'Developer Portal' });
  await entries.getByTitle(title, { exact: true }).click();
}

/** Opens an API's page from its card. */
async function open(page: Page, title: string): Promise<void> {
  await menu(page, 'APIs');
  await page.getByRole('link', { name: title, exact: true }).click();
}

/** Backstage's catalog has what was published a moment ago. */
async function isInCatalog(page: Page, title: string): Promise<void> {
  const begun = Date.now();
  await until(
    `${title} is in the catalog`,
    async () => {
      await page.goto('/catalog?filters[kind]=api&filters[user]=all');
      await page.getByText(/^All APIS/).waitFor();
      return (await page.getByRole('link', { name: title }).count()) > 0;
    },
    20,
  );
  tell(`It is in the catalog, seen after ${Date.now() - begun} ms`);
}

async function request(page: Page): Promise<void> {
  await isInCatalog(page, TITLE);
  await menu(page, 'APIs');
  await page.getByRole('link', { name: TITLE, exact: true }).waitFor();
  await look(page, 'apis');
  await open(page, TITLE);
  await page.getByRole('button', { name: 'Request access' }).first().waitFor();
  await look(page, 'api');
  await page.getByRole('button', { name: 'Request access' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('gold', { exact: true }).click();
  await dialog.getByLabel('What is it for?').fill('Our shop sells your toys');
  await look(page, 'request-access');
  await dialog.getByRole('button', { name: 'Request access' }).click();
  await page.getByText('Your request is made').waitFor();
  tell('Alice found it and asked for Gold');
}

/** Opens the request that waits. */
async function review(page: Page, state: string): Promise<void> {
  await page.goto(`/api-requests?state=${state}&q=${PRODUCT}`);
  await page
    .getByRole('link', { name: /(Review|View) the request of alice/ })
    .first()
    .click();
  await page.getByText('What do you decide?').waitFor();
}

async function approveWithLess(page: Page): Promise<void> {
  await page
    .getByRole('link', { name: /Requests/ })
    .first()
    .click();
  await look(page, 'requests');
  await review(page, 'Pending');
  await page.getByText('Approve with less').click();
  await page.getByLabel(/Plan to grant/).click();
  await page.getByRole('option', { name: /^silver/ }).click();
  await page
    .getByLabel(/Message to the requester/)
    .fill('Silver to begin with');
  await look(page, 'decision');
  await page.getByRole('button', { name: 'Approve with less' }).click();
  await page.getByText('You approved this request').waitFor();
  tell('Olivia approved Silver');
}

async function openKey(page: Page): Promise<void> {
  await page.goto('/api-keys');
  await page
    .getByRole('link', { name: new RegExp(PRODUCT) })
    .first()
    .click();
}

/** The value, from the dialog that shows it. */
async function shown(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Show it now' }).click();
  return page.getByLabel('Value of the key').inputValue();
}

async function reveal(page: Page): Promise<string> {
  await openKey(page);
  await page.getByText('Silver to begin with').first().waitFor();
  await look(page, 'key');
  await page.getByRole('button', { name: 'Reveal' }).first().click();
  const value = await shown(page);
  check(value.startsWith('dpk_'), 'a value is shown');
  await page.getByRole('button', { name: 'Copy as curl' }).click();
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  check(copied.includes(value), 'the snippet has the value');
  check((await runCurl(copied, '')) === 200, 'the copied snippet is answered');
  await page.getByRole('button', { name: 'I have kept it' }).click();
  check((await page.getByText(value).count()) === 0, 'the value is gone');
  const again = page.getByRole('button', { name: 'Reveal' });
  await until(
    'it is not offered again',
    async () => (await again.count()) === 0,
  );
  tell(
    'Alice was shown the value once, and the copied snippet was answered 200',
  );
  return value;
}

function call(key: string): Promise<number> {
  return runCurl(
    `curl https://pro.toystore.example.com/ --header "Authorization: APIKEY $API_KEY"`,
    key,
  );
}

async function callUntilLimited(key: string): Promise<void> {
  await until('the limit is reached', async () => {
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => call(key)),
    );
    check(
      answers.every(it => it === 200 || it === 429),
      `the gateway answered ${answers}`,
    );
    return answers.includes(429);
  });
  tell('Silver is limited: 429');
}

async function rotate(page: Page, first: string): Promise<string> {
  await page.getByRole('button', { name: 'Rotate' }).first().click();
  await page.getByText('10 minutes').click();
  await look(page, 'rotate');
  await page
    .getByRole('dialog')
    .getByRole('button', { name: 'Rotate' })
    .click();
  await page.getByRole('button', { name: 'Reveal' }).first().click();
  const second = await shown(page);
  await page.getByRole('button', { name: 'I have kept it' }).click();
  check(second !== first, 'another value is shown');
  for (const value of [first, second]) {
    const answer = await call(value);
    check(answer !== 401, 'both values are let in');
  }
  tell('Alice rotated it, and neither value was refused');
  return second;
}

async function revoke(page: Page): Promise<void> {
  await review(page, 'Approved');
  await page.getByText('Revoke access').first().click();
  await page.getByLabel(/Reason/).fill('The invoice is unpaid');
  await page.getByRole('button', { name: 'Revoke access' }).click();
  await page.getByText('You decided against this request').waitFor();
}

async function history(page: Page): Promise<void> {
  await page.goto(`/api-requests?state=Denied&q=${PRODUCT}`);
  await page
    .getByRole('link', { name: /the request of alice/ })
    .first()
    .click();
  await page
    .getByText(/olivia: The invoice is unpaid/)
    .first()
    .waitFor();
  tell('Adam sees who decided, and why');
}

async function health(page: Page): Promise<void> {
  await page
    .getByRole('link', { name: /health/i })
    .first()
    .click();
  // Olivia has published a second product on the route.
  await page
    .getByText(`Keys for toystore/${PRODUCT} open this API too`)
    .waitFor();
  const named = ['planpolicy', 'toystore-pro', '--namespace=toystore'];
  const policy = await kubectl('petra', ['get', ...named, '--output=json']);
  await kubectl('petra', ['delete', ...named]);
  const broken = page.getByText('PlanPolicy not found', { exact: true });
  await broken.first().waitFor();
  await look(page, 'health');
  tell('Petra sees what is broken');
  const { apiVersion, kind, metadata, spec } = JSON.parse(policy);
  const object = {
    apiVersion,
    kind,
    spec,
    metadata: { name: metadata.name, namespace: metadata.namespace },
  };
  await kubectl('petra', ['create', '--filename=-'], object);
  await broken.first().waitFor({ state: 'hidden' });
  tell('… and that it has healed');
}

async function stranger(page: Page): Promise<void> {
  await page.goto('/api-requests');
  await page
    .getByText(/Nobody is waiting|may not see/)
    .first()
    .waitFor();
  await page.goto(`/api-products/toystore/${PRODUCT}`);
  await page.getByText('It is not there, or you may not see it').waitFor();
  tell('Oscar, who owns other APIs, sees none of it');
}

async function inFiveClicks(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Toystore', exact: true }).waitFor();
  const begun = Date.now();
  let clicks = 0;
  const click = async (name: string, role: 'link' | 'button' = 'button') => {
    clicks += 1;
    await page.getByRole(role, { name, exact: true }).last().click();
  };
  await click('Toystore', 'link');
  await click('Request access');
  await page.getByRole('dialog').waitFor();
  await click('Request access');
  await click('Reveal');
  await click('Show it now');
  const value = await page.getByLabel('Value of the key').inputValue();
  const answer = await runCurl(
    `curl https://toystore.example.com/ --header "Authorization: APIKEY $API_KEY"`,
    value,
  );
  check(answer === 200, `the gateway answered ${answer}`);
  const seconds = Math.round((Date.now() - begun) / 1_000);
  check(clicks <= 5 && seconds < 180, `${clicks} clicks, ${seconds} s`);
  tell(`Bob had a working key after ${clicks} clicks and ${seconds} s`);
}

async function manage(page: Page): Promise<void> {
  await menu(page, 'API products');
  await page.getByRole('link', { name: TITLE, exact: true }).click();
  await page.getByRole('link', { name: 'Edit', exact: true }).click();
  const said = 'Toys by the hundred.';
  await page.getByRole('textbox', { name: 'Description' }).fill(said);
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByText(said).first().waitFor();
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Withdraw', exact: true }).click();
  await dialog.getByRole('button', { name: 'Withdraw', exact: true }).click();
  await page.getByText('Draft', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Publish', exact: true }).click();
  await page.getByText('Published', { exact: true }).first().waitFor();
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await dialog.getByText(/It takes away/).waitFor();
  const confirm = dialog.getByRole('button', { name: 'Delete', exact: true });
  check(await confirm.isDisabled(), 'nothing is deleted by one click');
  await dialog.getByRole('textbox').fill(PRODUCT);
  await confirm.click();
  await page.waitForURL('**/api-products');
  tell('Olivia edited, withdrew, published and deleted it');
}

/** Texts of others are shown as they are, and never carried out. */
async function hostileTexts(page: Page): Promise<void> {
  const script = '<img src="x" onerror="window.hostile = 1">';
  const url = ['javascript', 'window.hostile=1'].join(':');
  await kubectl('olivia', ['create', '--filename=-'], {
    apiVersion: 'devportal.kuadrant.io/v1alpha1',
    kind: 'APIProduct',
    metadata: { name: 'hostile', namespace: 'toystore' },
    spec: {
      displayName: `Hostile ${script}`,
      description: `${script} [here](${url}) # Not a heading`,
      version: script,
      approvalMode: 'automatic',
      publishStatus: 'Published',
      tags: [script],
      targetRef: {
        group: 'gateway.networking.k8s.io',
        kind: 'HTTPRoute',
        name: 'toystore',
      },
      contact: { team: script, email: url, slack: url, url },
      documentation: { docsURL: url, swaggerUI: url, gitRepository: url },
    },
  });
  await menu(page, 'APIs');
  const card = page.getByRole('link', { name: `Hostile ${script}` });
  await card.waitFor();
  await harmless(page);
  await card.click();
  await page.getByRole('button', { name: 'Request access' }).waitFor();
  await harmless(page);
  await page.getByRole('link', { name: 'Show in the catalog' }).click();
  await page.getByText(`${script} [here](${url})`).first().waitFor();
  await harmless(page);
  tell('What others wrote is shown, and not carried out');
}

async function harmless(page: Page): Promise<void> {
  const found = await page.evaluate(() => {
    const elements =
      'img[src="x"], [href^="javascript:"], [src^="javascript:"]';
    const all = [...document.querySelectorAll(elements)];
    return [
      ...all.map(it => it.outerHTML),
      ...('hostile' in window ? ['run'] : []),
    ];
  });
  check(found.length === 0, `at ${page.url()}: ${found.join(' ')}`);
}

story().catch(error => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
});
