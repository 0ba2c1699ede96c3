import { ConfigReader } from '@backstage/config';
import { mockCredentials, mockServices } from '@backstage/backend-test-utils';
import { catalogServiceMock } from '@backstage/plugin-catalog-node/testUtils';
import { JsonObject } from '@backstage/types';
import { Identity } from './identity';
import { alice } from './__testUtils__/backend';

function identity(naming: JsonObject | undefined, refs: string[] = []) {
  const catalog = catalogServiceMock({ entities: [alice] });
  const find = jest.spyOn(catalog, 'getEntityByRef');
  const made = Identity.fromConfig(
    new ConfigReader({ devportal: naming ? { identity: naming } : {} }),
    {
      auth: mockServices.auth(),
      catalog,
      userInfo: mockServices.userInfo({ ownershipEntityRefs: refs }),
    },
  );
  return { identity: made, find };
}

const asked = (ref: string) => mockCredentials.user(ref);

describe('the identity', () => {
  it('is the ref by default, and the e-mail that of the catalog', async () => {
    const refs = ['user:default/alice', 'group:default/consumers'];
    const { identity: it } = identity(undefined, refs);
    expect(await it.personOf(asked('user:default/alice'))).toEqual({
      user: 'backstage:user:default/alice',
      groups: ['backstage:group:default/consumers'],
      email: 'alice@example.com',
    });
  });

  it('is the name where Backstage and the cluster call people alike', async () => {
    const refs = ['group:default/consumers', 'group:guests/api-admins'];
    const { identity: it } = identity({ user: 'name', groups: 'name' }, refs);
    expect(await it.personOf(asked('user:default/alice'))).toEqual({
      user: 'alice',
      groups: ['consumers'],
      email: 'alice@example.com',
    });
  });

  it('is never a name that somebody in another namespace has as well', async () => {
    const { identity: it } = identity({ user: 'name' });
    await expect(it.personOf(asked('user:guests/alice'))).rejects.toThrow(
      "only users of the namespace 'default'",
    );
  });

  it('is what an annotation says, and nobody without it', async () => {
    const annotation = 'example.com/cluster-user';
    const { identity: it } = identity({ user: { annotation } });
    const person = await it.personOf(asked('user:default/alice'));
    expect(person.user).toBe('alice@cluster');
    await expect(it.personOf(asked('user:default/bob'))).rejects.toThrow(
      "has no annotation 'example.com/cluster-user'",
    );
  });

  it('asks the catalog once a minute for each person', async () => {
    const { identity: it, find } = identity(undefined);
    await Promise.all([
      it.personOf(asked('user:default/alice')),
      it.personOf(asked('user:default/alice')),
    ]);
    await it.personOf(asked('user:default/alice'));
    await it.personOf(asked('user:default/bob'));
    expect(find).toHaveBeenCalledTimes(2);
  });

  it('does not start with a mapping that does not exist', () => {
    expect(() => identity({ user: 'email' })).toThrow(
      'devportal.identity.user',
    );
    expect(() => identity({ groups: 'id' })).toThrow(
      'devportal.identity.groups',
    );
  });
});
