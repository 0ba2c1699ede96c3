import { groupNames, impersonation } from './person';

const as = (user: string, groups: string[] = [], email?: string) =>
  impersonation({ user, groups, email });

describe('impersonation', () => {
  it('has a line for each group', () => {
    expect(as('alice', ['a', 'b'], 'alice@example.com')).toEqual({
      'Impersonate-User': 'alice',
      'Impersonate-Group': ['a', 'b'],
      'Impersonate-Extra-devportal.kuadrant.io%2Femail': 'alice@example.com',
    });
    expect(as('alice')).toEqual({ 'Impersonate-User': 'alice' });
  });

  it.each([
    ['system:admin'],
    ['system:serviceaccount:kube-system:default'],
    [''],
    [' alice'],
    ['alice '],
    ['alice\r\nImpersonate-Group: system:masters'],
    ['ali\u0000ce'],
    ['ali\u200bce'],
    ['ali\u202ece'],
    ['ali\u2028ce'],
    ['älice'],
  ])('refuses the name %j, of users and of groups', name => {
    expect(() => as(name)).toThrow(
      expect.objectContaining({ name: 'NotAllowedError' }),
    );
    expect(() => as('alice', ['consumers', name])).toThrow(
      expect.objectContaining({ name: 'NotAllowedError' }),
    );
  });

  it.each([
    ['älice@example.com'],
    ['alice@example.com\r\nImpersonate-Uid: 0'],
    ['alice@example.com\n'],
    ["pat.o'brien@example.com"],
    ['alice@localhost'],
    ['Alice <alice@example.com>'],
    [''],
  ])('leaves the e-mail %j out, which the cluster would not take', email => {
    expect(as('alice', [], email)).toEqual({ 'Impersonate-User': 'alice' });
  });

  it('sends an e-mail that the cluster takes', () => {
    const email = 'Al.ice_1%2+toys-x@mail.Example.com';
    expect(as('alice', [], email)).toMatchObject({
      'Impersonate-Extra-devportal.kuadrant.io%2Femail': email,
    });
  });
});

describe('groups', () => {
  const refs = [
    'user:default/alice',
    'group:default/consumers',
    'Group:other/consumers',
    'group:default/consumers',
  ];

  it('are called by their refs, which no other group has', () => {
    expect(groupNames(refs, 'ref')).toEqual([
      'backstage:group:default/consumers',
      'backstage:group:other/consumers',
    ]);
  });

  it('are called by their names in the namespace default only', () => {
    expect(groupNames(refs, 'name')).toEqual(['consumers']);
    expect(groupNames(['group:other/ops'], 'name')).toEqual([]);
  });
});
