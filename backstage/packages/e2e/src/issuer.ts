/* Do people learn how to get a token of the issuer that an API trusts? */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Page } from 'playwright-core';
import { look } from './looks';
import { kubectl } from './stack';
import { check, tell } from './told';

const named = { name: 'members', namespace: 'toystore' };
const targetRef = {
  group: 'gateway.networking.k8s.io',
  kind: 'HTTPRoute',
  name: 'members',
};

const around = (issuerUrl: string) => [
  {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: named,
    spec: {
      parentRefs: [{ name: 'external', namespace: 'gateway-system' }],
      hostnames: ['members.example.com'],
      rules: [{ backendRefs: [{ name: 'toystore', port: 80 }] }],
    },
  },
  {
    apiVersion: 'kuadrant.io/v1',
    kind: 'AuthPolicy',
    metadata: named,
    spec: {
      targetRef,
      rules: { authentication: { members: { jwt: { issuerUrl } } } },
    },
  },
];

const product = {
  apiVersion: 'devportal.kuadrant.io/v1alpha1',
  kind: 'APIProduct',
  metadata: named,
  spec: {
    displayName: 'Members',
    approvalMode: 'manual',
    publishStatus: 'Published',
    targetRef,
  },
};

export async function issuer(page: Page): Promise<void> {
  const server = createServer((request, response) => {
    const url = `http://${request.headers.host}`;
    const isDocument = request.url === '/.well-known/openid-configuration';
    response.writeHead(isDocument ? 200 : 404, {
      'Content-Type': 'application/json',
    });
    response.end(
      JSON.stringify({
        issuer: url,
        token_endpoint: `${url}/token`,
        jwks_uri: `${url}/keys`,
      }),
    );
  });
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const object of around(url)) {
      await kubectl('petra', ['create', '--filename=-'], object);
    }
    await kubectl('olivia', ['create', '--filename=-'], product);
    await page.goto('/apis/toystore/members');
    await page.getByText('Token of an issuer (JWT)').waitFor();
    await page.getByRole('link', { name: url }).waitFor();
    await page.getByText(`${url}/token`, { exact: true }).waitFor();
    const example = page.getByText('grant_type=client_credentials');
    await example.filter({ hasText: `curl --silent '${url}/token'` }).waitFor();
    const keys = page.getByText(/Request access|PlanPolicy/);
    check((await keys.count()) === 0, 'no key is offered, and no plan missed');
    await look(page, 'issuer');
    tell('Alice sees how to get a token of the issuer');
  } finally {
    const remove = (who: string, kinds: string) =>
      kubectl(who, ['delete', kinds, named.name, '--namespace=toystore']);
    await remove('olivia', 'apiproduct');
    await remove('petra', 'authpolicy,httproute');
    server.close();
    server.closeAllConnections();
  }
}
