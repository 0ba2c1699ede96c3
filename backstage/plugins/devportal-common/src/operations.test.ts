import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { operations } from './operations';
import { devportalPermissions } from './permissions';

interface Document {
  paths: Record<string, Record<string, { operationId?: string }>>;
}

const document: Document = JSON.parse(
  readFileSync(
    resolve(__dirname, '../../../../docs/reference/openapi.json'),
    'utf8',
  ),
);

describe('operations', () => {
  it('has method and path of every operation as the server documents them', () => {
    const documented = Object.entries(document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, { operationId }]) => [
        operationId,
        `${method.toUpperCase()} ${path}`,
      ]),
    );
    const ours = Object.entries(operations).map(([id, { method, path }]) => [
      id,
      `${method} ${path}`,
    ]);
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(documented));
  });

  it('asks for a permission but where being signed in is enough', () => {
    const open = Object.entries(operations)
      .filter(([, { permission }]) => permission === undefined)
      .map(([id]) => id);
    expect(open).toEqual(['getMe', 'watchEvents']);
  });

  it('asks only for permissions that policies are told of', () => {
    const known = new Set<unknown>(devportalPermissions);
    const unknown = Object.values(operations).filter(
      ({ permission }) => permission && !known.has(permission),
    );
    expect(unknown).toEqual([]);
  });

  it('never treats showing a value as reading', () => {
    expect(operations.revealKey.permission?.attributes.action).toBe('update');
  });
});
