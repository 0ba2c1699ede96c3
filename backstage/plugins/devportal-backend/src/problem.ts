import { IncomingMessage } from 'node:http';
import { TokenUnreadable } from '@devportal/backstage-plugin-devportal-node';
import { Cause, Problem } from '@devportal/backstage-plugin-devportal-common';
import { Request, Response } from 'express';

/** Why something was refused, for whoever asked. */
export interface Refusal {
  status: number;
  /** One word for programs. */
  title: string;
  message: string;
  causes?: Cause[];
  requestId?: string;
}

const NAMES: Readonly<Record<number, string>> = {
  400: 'InputError',
  401: 'AuthenticationError',
  403: 'NotAllowedError',
  404: 'NotFoundError',
  409: 'ConflictError',
  410: 'ConflictError',
  412: 'ConflictError',
  413: 'InputError',
  415: 'InputError',
  422: 'InputError',
  501: 'NotImplementedError',
  503: 'ServiceUnavailableError',
};

/** Answers in the form of Backstage's own errors, which its frontends know how to show. */
export function refuse(req: Request, res: Response, refusal: Refusal): void {
  const { status, title, message, causes, requestId } = refusal;
  res.status(status).type('json');
  res.setHeader('Cache-Control', 'no-store');
  if (status === 503 && !res.hasHeader('Retry-After')) {
    res.setHeader('Retry-After', '5');
  }
  res.json({
    error: {
      name: NAMES[status] ?? 'Error',
      message,
      title,
      causes,
      requestId,
    },
    request: { method: req.method, url: req.url },
    response: { statusCode: status },
  });
}

/** What an answer of the portal's server refuses; `undefined`: nothing. */
export function refusalOf(
  answer: IncomingMessage,
  body: Buffer,
): Refusal | undefined {
  const status = answer.statusCode ?? 0;
  if (status >= 200 && status < 300) return undefined;
  const problem = problemOf(answer, body);
  const requestId = problem?.requestId;
  if (status < 400) {
    return unavailable(
      'The portal’s server answered with a redirect, which Backstage does not follow. Tell whoever runs Backstage that devportal.server.baseUrl has to be the address of the server itself.',
    );
  }
  // It is Backstage's token that is not accepted: whoever asks is signed in, and to send them
  // to the sign-in page would not help.
  if (status === 401) {
    return {
      ...unavailable(
        'The portal’s server does not accept Backstage’s own token. Tell whoever runs Backstage; if the token was just replaced, try again in a moment.',
      ),
      requestId,
    };
  }
  return problem
    ? { ...problem, status, message: problem.detail }
    : {
        status,
        title: 'BadAnswer',
        message: `Something between Backstage and the portal’s server answered with status ${status}. Try again; if this stays, tell whoever runs the portal.`,
      };
}

function problemOf(answer: IncomingMessage, body: Buffer): Problem | undefined {
  const type = answer.headers['content-type'] ?? '';
  if (!type.startsWith('application/problem+json')) return undefined;
  try {
    const parsed: Partial<Problem> | null = JSON.parse(body.toString('utf8'));
    const isProblem =
      typeof parsed?.detail === 'string' && typeof parsed.title === 'string';
    return isProblem ? (parsed as Problem) : undefined;
  } catch {
    return undefined;
  }
}

/** Errors of a connection that was never there: nothing has been asked. */
const NEVER_SENT = ['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH'];

/** Why there is no answer. It does not say where the server is: that is for the log. */
export function refusalWithoutAnswer(
  error: unknown,
  asked: { isRead: boolean; hasTimedOut: boolean },
): Refusal {
  if (error instanceof TokenUnreadable) {
    return unavailable(
      'Backstage cannot read its own token for the portal’s server. Tell whoever runs Backstage: its log says more.',
    );
  }
  const code =
    typeof error === 'object' && error !== null && 'code' in error
      ? error.code
      : undefined;
  const isUndone = asked.isRead || NEVER_SENT.some(it => it === code);
  const what = asked.hasTimedOut
    ? 'The portal’s server has not answered in 30 seconds.'
    : 'The portal’s server cannot be reached.';
  const next = isUndone
    ? 'Try again in a moment; if this stays, tell whoever runs the portal.'
    : 'It may have done what you asked for: look before you try again.';
  return unavailable(`${what} ${next}`);
}

function unavailable(message: string): Refusal {
  return { status: 503, title: 'Unavailable', message };
}
