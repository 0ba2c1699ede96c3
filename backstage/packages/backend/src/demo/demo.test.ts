import { ConfigReader } from '@backstage/config';
import { AuthResolverContext } from '@backstage/plugin-auth-node';
import { demoAuthenticator } from './authenticator';
import { checkIsLocal } from './guard';

const authenticator = demoAuthenticator('127.0.0.1:7007');
const context = authenticator.initialize({
  config: new ConfigReader({ users: [{ ref: 'user:default/alice' }] }),
});

type Asked = Parameters<typeof authenticator.authenticate>[0];

function signIn(host: string, user?: string) {
  const req = { headers: { host }, header: () => user } as unknown;
  return authenticator.authenticate({ req: req as Asked['req'] }, context);
}

describe('sign-in for the demo', () => {
  it('believes who is configured', async () => {
    expect(await signIn('127.0.0.1:7007', 'user:default/alice')).toEqual({
      result: { ref: 'user:default/alice' },
    });
  });

  it.each([['user:default/root'], ['alice'], [''], [undefined]])(
    'refuses %j',
    async user => {
      await expect(signIn('127.0.0.1:7007', user)).rejects.toThrow(
        'x-devportal-demo-user',
      );
    },
  );

  it('tells the frontend how people are called in the catalog', async () => {
    const profile = { displayName: 'Alice Archer', email: 'alice@example.com' };
    const found = async () => ({ entity: { spec: { profile } } });
    const resolver = { findCatalogUser: jest.fn(found) } as unknown;
    expect(
      await authenticator.defaultProfileTransform(
        { ref: 'user:default/alice' },
        resolver as AuthResolverContext,
      ),
    ).toEqual({ profile });
  });

  it('refuses a page whose name was made to lead here', async () => {
    await expect(
      signIn('evil.example:7007', 'user:default/alice'),
    ).rejects.toThrow('127.0.0.1:7007 only');
  });
});

describe('a backend with sign-in for the demo', () => {
  const check = (listen: unknown, env = 'development') =>
    checkIsLocal(new ConfigReader({ backend: { listen } as never }), env);

  it('starts in development on the loopback interface', () => {
    expect(() => check({ host: '127.0.0.1', port: 7007 })).not.toThrow();
    expect(() => check('127.0.0.1:7007')).not.toThrow();
    expect(() => check('[::1]:7007')).not.toThrow();
  });

  it('does not start in production', () => {
    const listen = { host: '127.0.0.1' };
    expect(() => check(listen, 'production')).toThrow('NODE_ENV=development');
  });

  it.each([[{ host: '0.0.0.0' }], [{ port: 7007 }], [':7007'], ['10.0.0.1:1']])(
    'does not start where others reach it: %j',
    listen => {
      expect(() => check(listen)).toThrow('backend.listen.host');
    },
  );
});
