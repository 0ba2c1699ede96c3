import { OutgoingHttpHeaders } from 'node:http';
import {
  DEFAULT_NAMESPACE,
  parseEntityRef,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import { Config } from '@backstage/config';
import { NotAllowedError } from '@backstage/errors';

/** A person, as the cluster is to know them. */
export interface Person {
  user: string;
  groups: string[];
  email?: string;
}

/** How groups of Backstage are called in the cluster. */
export type GroupNaming = 'ref' | 'name';

/** Reads `devportal.identity.groups`. */
export function readGroupNaming(root: Config): GroupNaming {
  const naming = root.getOptionalString('devportal.identity.groups') ?? 'ref';
  if (naming !== 'ref' && naming !== 'name') {
    throw new Error("devportal.identity.groups must be 'ref' or 'name'");
  }
  return naming;
}

/**
 * The cluster's names for those of the refs that are groups.
 *
 * By name only groups of the namespace `default` count: otherwise whoever may make a group
 * `ops` in some other namespace would be in the cluster's group `ops`.
 */
export function groupNames(refs: string[], naming: GroupNaming): string[] {
  const groups = refs
    .map(ref => parseEntityRef(ref))
    .filter(({ kind }) => kind.toLocaleLowerCase('en-US') === 'group');
  const names =
    naming === 'ref'
      ? groups.map(group => `backstage:${stringifyEntityRef(group)}`)
      : groups
          .filter(it => it.namespace === DEFAULT_NAMESPACE)
          .map(it => it.name);
  return [...new Set(names)];
}

/** Whether a text arrives in a header as it is: visible ASCII, and spaces only within. */
export function isSendable(text: string): boolean {
  return /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text);
}

/**
 * Refuses names that are the cluster's own, that look like another, or that a header would
 * change on its way.
 */
export function checkName(name: string, what: string): void {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) {
    throw new NotAllowedError(
      `The ${what} has a name in the cluster with characters that do not show. Ask whoever runs Backstage to give another.`,
    );
  }
  if (name.startsWith('system:')) {
    throw new NotAllowedError(
      `The ${what} is called '${name}' in the cluster: names beginning with 'system:' are the cluster's own. Ask whoever runs Backstage to give another.`,
    );
  }
  if (!isSendable(name)) {
    throw new NotAllowedError(
      `The ${what} has a name in the cluster that is empty or has characters other than those of ASCII. Ask whoever runs Backstage to give another.`,
    );
  }
}

/** An address that the cluster takes: as the APIKey's definition has it. */
const EMAIL = /^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$/;

/**
 * The headers that ask for something as this person.
 *
 * @throws NotAllowedError where a name may not be sent. An e-mail that the cluster would not
 * take is left out: the portal asks for one where it needs it.
 */
export function impersonation(person: Person): OutgoingHttpHeaders {
  const { user, groups, email } = person;
  checkName(user, 'user');
  groups.forEach(group => checkName(group, 'group'));
  return {
    'Impersonate-User': user,
    ...(groups.length > 0 && { 'Impersonate-Group': groups }),
    ...(email !== undefined &&
      EMAIL.test(email) && {
        'Impersonate-Extra-devportal.kuadrant.io%2Femail': email,
      }),
  };
}
