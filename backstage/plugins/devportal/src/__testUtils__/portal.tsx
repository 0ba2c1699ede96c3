/* A portal for tests: it answers what the test says, and remembers what it was asked. */
import type { ReactElement } from 'react';
import { mockApis, renderInTestApp } from '@backstage/frontend-test-utils';
import type { TestAppRenderResult } from '@backstage/frontend-test-utils';
import { coreApis } from '@backstage/frontend-plugin-api';
import { PortalApi, portalApiRef } from '../portal';
import { keyRouteRef, keysRouteRef } from '../routes';

export type Asked = {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: Headers;
  body: unknown;
};

/** What is answered: by `METHOD /path`, as JSON or as a function of what is asked. */
export type Answers = Record<
  string,
  object | ((asked: Asked) => Response | object)
>;

export const refusal = (status: number, error: object) =>
  Response.json({ error, response: { statusCode: status } }, { status });

export function fakePortal(answers: Answers) {
  const asked: Asked[] = [];
  const fetch = async (input: unknown, init: RequestInit = {}) => {
    const url = new URL(String(input).replace('plugin:', 'http:'));
    const now: Asked = {
      method: init.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: new Headers(init.headers),
      body: typeof init.body === 'string' ? JSON.parse(init.body) : undefined,
    };
    if (now.path === '/v1/events') {
      return new Response(new ReadableStream());
    }
    asked.push(now);
    const answer = answers[`${now.method} ${now.path}`];
    if (!answer) {
      return refusal(404, { message: `${now.path} is not there` });
    }
    const given = typeof answer === 'function' ? answer(now) : answer;
    return given instanceof Response ? given : Response.json(given);
  };
  return {
    asked,
    api: new PortalApi({ fetch } as typeof coreApis.fetch.T),
  };
}

export function show(
  element: ReactElement,
  answers: Answers,
  at = '/',
): ReturnType<typeof fakePortal> & Pick<TestAppRenderResult, 'apis'> {
  const portal = fakePortal(answers);
  const { apis } = renderInTestApp(element, {
    apis: [[portalApiRef, portal.api], mockApis.permission()],
    mountedRoutes: {
      '/api-keys': keysRouteRef,
      '/api-keys/:namespace/:name': keyRouteRef,
    },
    initialRouteEntries: [at],
  });
  return { ...portal, apis };
}
