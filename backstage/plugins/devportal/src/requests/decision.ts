/* What is typed into the form of a decision, and what is sent of it. */
import type {
  NewDecision,
  Request,
  RequestRow,
} from '@devportal/backstage-plugin-devportal-common';
import type { Versioned } from '../portal';

export type Way = 'approve' | 'less' | 'deny';

export type Draft = {
  way?: Way;
  /** Another plan; absent: the one that is asked for. */
  tier?: string;
  /** The last day, as `2027-01-31`; absent: as asked. */
  lastDay?: string;
  message: string;
};

export type Missing = 'reasonMissing' | 'lessMissing';

/** What still has to be typed. */
export function missingIn(draft: Draft): Missing | undefined {
  if (draft.way === 'deny' && draft.message.trim() === '') {
    return 'reasonMissing';
  }
  if (draft.way === 'less' && !draft.tier && !draft.lastDay) {
    return 'lessMissing';
  }
  return undefined;
}

/** The end of a day where the browser is, as RFC 3339. */
export const endOf = (day: string): string =>
  new Date(`${day}T23:59:59`).toISOString().replace('.000Z', 'Z');

/** The decision to send; an approval carries the terms that were seen. */
export function decisionOf(draft: Draft, seen: Request): NewDecision {
  const message = draft.message.trim() || undefined;
  if (draft.way === 'deny') {
    return { approved: false, message };
  }
  const less = draft.way === 'less';
  return {
    approved: true,
    terms: seen.terms,
    message,
    ...(less && draft.tier && { planTier: draft.tier }),
    ...(less && draft.lastDay && { expiresAt: endOf(draft.lastDay) }),
  };
}

/** Whether it asks for more than was approved. */
export const changesApproved = ({ waiting, state }: RequestRow): boolean =>
  waiting && state !== 'Pending';

/** Whether somebody who looked at the one has not seen the other. */
export const hasChanged = (seen: Request, now: Request): boolean =>
  seen.terms !== now.terms ||
  seen.useCase !== now.useCase ||
  seen.state !== now.state ||
  seen.waiting !== now.waiting ||
  seen.approvedTier !== now.approvedTier ||
  seen.message !== now.message;

/** Which decisions there are: the end of the tag, behind the version. */
const decisionsIn = ({ etag }: Versioned<Request>): string | undefined =>
  etag?.split('-')[1];

/**
 * Whether all that is new is what the controller notes: it is shown, and nobody decides
 * by it. A version in which nothing new is shown may hide somebody's decision that is not
 * carried out yet.
 */
export const isOnlyNoted = (
  seen: Versioned<Request>,
  now: Versioned<Request>,
): boolean =>
  !hasChanged(seen, now) &&
  decisionsIn(seen) === decisionsIn(now) &&
  JSON.stringify(seen.conditions) !== JSON.stringify(now.conditions);
