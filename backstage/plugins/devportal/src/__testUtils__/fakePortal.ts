/* A portal for tests: answers what a test says, and remembers what it was asked. */
import type { FetchApi } from '@backstage/frontend-plugin-api';

type Answer = unknown | (() => unknown);

/** What the backend plugin answers instead of a success. */
export const problem = (
  status: number,
  title: string,
  message: string,
  causes: { field?: string; reason?: string; message: string }[] = [],
) =>
  new Response(
    JSON.stringify({ error: { name: title, title, message, causes } }),
    { status, headers: { 'content-type': 'application/json' } },
  );

/** Finds a text that stands in several elements, in the innermost that has all of it. */
export const whole = (text: string) => (_: string, element: Element | null) =>
  element?.textContent === text &&
  ![...element.children].some(it => it.textContent === text);

export class FakePortal implements FetchApi {
  /** `METHOD /path?query`, in order. */
  readonly asked: string[] = [];
  private readonly bodies: {
    about: string;
    body: unknown;
    headers: Headers;
  }[] = [];
  private readonly answers = new Map<string, Answer>();

  on(method: string, path: string, answer: Answer): this {
    this.answers.set(`${method} ${path}`, answer);
    return this;
  }

  /** The bodies that were sent there. */
  sent(method: string, path: string): unknown[] {
    return this.bodies
      .filter(it => it.about === `${method} ${path}`)
      .map(it => it.body);
  }

  headers(method: string, path: string): Headers[] {
    return this.bodies
      .filter(it => it.about === `${method} ${path}`)
      .map(it => it.headers);
  }

  readonly fetch: FetchApi['fetch'] = async (input, init) => {
    const url = new URL(
      `${input}`.replace('plugin://devportal', 'http://portal'),
    );
    if (url.pathname === '/v1/events') {
      return this.silence(init?.signal ?? undefined);
    }
    const method = init?.method ?? 'GET';
    const about = `${method} ${url.pathname}`;
    this.asked.push(`${method} ${url.pathname}${url.search}`);
    if (init?.body || method === 'DELETE') {
      const body = init?.body ? JSON.parse(`${init.body}`) : undefined;
      this.bodies.push({ about, body, headers: new Headers(init?.headers) });
    }
    if (!this.answers.has(about)) {
      return problem(404, 'NotFound', `${about} is not there`);
    }
    const found = this.answers.get(about);
    const answer: unknown = typeof found === 'function' ? found() : found;
    if (answer instanceof Response) return answer;
    return answer === undefined
      ? new Response(null, { status: 204 })
      : new Response(JSON.stringify(answer), {
          headers: { 'content-type': 'application/json' },
        });
  };

  /** A stream on which nothing comes. */
  private silence(signal?: AbortSignal): Promise<Response> {
    return new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(new Error('aborted')));
    });
  }
}
