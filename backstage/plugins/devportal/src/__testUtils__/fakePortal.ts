/* A portal for tests: it answers what the test says, and remembers what it was asked. */
import type { FetchApi } from '@backstage/frontend-plugin-api';

export type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
};

/** JSON, a response, or what makes one, at once or later; undefined: nothing to say. */
export type Answer = unknown | ((asked: Asked) => unknown);

/** What the backend plugin answers instead of a success. */
export const problem = (
  status: number,
  title: string,
  message: string,
  causes: { field?: string; reason?: string; message: string }[] = [],
) =>
  Response.json({ error: { name: title, title, message, causes } }, { status });

/** Finds a text that stands in several elements, in the innermost that has all of it. */
export const whole = (text: string) => (_: string, element: Element | null) =>
  element?.textContent === text &&
  ![...element.children].some(it => it.textContent === text);

export class FakePortal implements FetchApi {
  /** What was asked, in order. */
  readonly asked: Asked[] = [];
  private readonly answers = new Map<string, Answer>();

  constructor(answers: Record<string, Answer> = {}) {
    for (const [about, answer] of Object.entries(answers)) {
      this.answers.set(about, answer);
    }
  }

  on(method: string, path: string, answer: Answer): this {
    this.answers.set(`${method} ${path}`, answer);
    return this;
  }

  /** `METHOD /path?query`, in order. */
  get lines(): string[] {
    return this.asked.map(({ method, path, query }) =>
      [`${method} ${path}`, query.toString()].filter(Boolean).join('?'),
    );
  }

  /** The bodies that were sent there. */
  sent(method: string, path: string): unknown[] {
    return this.to(method, path).map(it => it.body);
  }

  headers(method: string, path: string): Headers[] {
    return this.to(method, path).map(it => it.headers);
  }

  readonly fetch: FetchApi['fetch'] = async (input, init = {}) => {
    const url = new URL(
      `${input}`.replace('plugin://devportal', 'http://portal'),
    );
    if (url.pathname === '/v1/events') {
      // A stream on which nothing comes.
      return new Response(new ReadableStream());
    }
    const asked: Asked = {
      method: init.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
    };
    this.asked.push(asked);
    const about = `${asked.method} ${asked.path}`;
    if (!this.answers.has(about)) {
      return problem(404, 'NotFound', `${about} is not there`);
    }
    const found = this.answers.get(about);
    const answer: unknown = await (typeof found === 'function'
      ? found(asked)
      : found);
    if (answer instanceof Response) return answer;
    return answer === undefined
      ? new Response(null, { status: 204 })
      : Response.json(answer);
  };

  private to(method: string, path: string): Asked[] {
    return this.asked.filter(it => it.method === method && it.path === path);
  }
}
