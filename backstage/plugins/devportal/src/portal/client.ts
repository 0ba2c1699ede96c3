/*
 * How is the portal's server asked? Through the backend plugin, with a client whose
 * types come from the server's own document.
 */
import createClient from 'openapi-fetch';
import type { Client } from 'openapi-fetch';
import type { FetchApi } from '@backstage/frontend-plugin-api';
import type { paths } from '@devportal/backstage-plugin-devportal-common';

export type PortalClient = Client<paths>;

/** What is wrong with a field, in the API server's words. */
export type Cause = { field?: string; reason?: string; message: string };

/** The titles of conflicts with a change; of others nothing has changed. */
const OVERTAKEN = ['Changed', 'Conflict', 'DecidedAlready', 'TermsChanged'];

/** An answer that is no success; `message` is the server's own. */
export class PortalError extends Error {
  constructor(
    message: string,
    /** The HTTP status; 0: no answer came. */
    readonly status: number,
    /** One word for programs, such as `ShownAlready`. */
    readonly title: string,
    readonly causes: Cause[],
    readonly requestId?: string,
  ) {
    super(message);
    this.name = title;
  }

  /** Whether asking again may help. */
  get mayPass(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }

  /** Whether a write that was answered like this may have been carried out. */
  get isUnknown(): boolean {
    return this.status === 0 || this.status >= 500;
  }

  /** Whether another write had the same Idempotency-Key, or made what this one would. */
  get isUsed(): boolean {
    return this.title === 'IdempotencyKeyUsed';
  }

  /** Whether somebody or something was faster. */
  get isOvertaken(): boolean {
    return (
      this.status === 412 ||
      (this.status === 409 && OVERTAKEN.includes(this.title))
    );
  }
}

/** The typed client; `onRead` is told of each answer to a read. */
export function portalClient(
  fetchApi: FetchApi,
  onRead: (answer: Response) => void = () => {},
): PortalClient {
  return createClient<paths>({
    baseUrl: 'plugin://devportal',
    // A Request with a body is a stream to fetch, which HTTP/1.1 cannot send.
    fetch: async (request: Request) => {
      const answer = await fetchApi.fetch(request.url, {
        method: request.method,
        headers: request.headers,
        // Not every browser has `Request.body`, and a GET with any body is none.
        body:
          request.method === 'GET'
            ? undefined
            : (await request.text()) || undefined,
        signal: request.signal,
      });
      if (request.method === 'GET') onRead(answer);
      return answer;
    },
  });
}

/** Whether nobody told who is asking: Backstage asks its own sign-in before each request. */
const isSignedOut = (error: unknown): boolean => {
  const { statusCode } = Object(error) as { statusCode?: number };
  return statusCode === 401 || statusCode === 403;
};

/** What openapi-fetch answers. */
type Answer<T> = { data?: T; error?: unknown; response: Response };

/**
 * The data of an answer.
 *
 * @throws PortalError, also where no answer came.
 */
export async function dataOf<T>(asked: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await asked;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') {
      throw error;
    }
    if (isSignedOut(error)) {
      throw new PortalError('Your sign-in has ended', 401, 'SignedOut', []);
    }
    throw new PortalError(
      'Backstage does not answer: check your connection',
      0,
      'Unreachable',
      [],
    );
  }
  if (!answer.response.ok) {
    throw problemOf(answer.response, answer.error);
  }
  return answer.data as T;
}

/** Something, and which version of it: a write can be tied to it. */
export type Versioned<T> = T & { etag?: string };

/** The data of an answer with its ETag. */
export async function versionedOf<T extends object>(
  asked: Promise<Answer<T>>,
): Promise<Versioned<T>> {
  const data = await dataOf(asked);
  const { response } = await asked;
  return { ...data, etag: response.headers.get('etag') ?? undefined };
}

/** Backstage's `{error: {name, message, …}}` as an error. */
export function problemOf(response: Response, body: unknown): PortalError {
  const error = fieldsOf(fieldsOf(body).error);
  const text = (value: unknown) =>
    typeof value === 'string' && value !== '' ? value : undefined;
  const causes = Array.isArray(error.causes) ? (error.causes as Cause[]) : [];
  return new PortalError(
    text(error.message) ?? `The portal answered ${response.status}`,
    response.status,
    text(error.title) ?? text(error.name) ?? 'Error',
    causes,
    text(error.requestId),
  );
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null
    ? (value as Record<string, unknown>)
    : {};
}
