import { Entity } from '@backstage/catalog-model';
import { isProductFor, visibilityKey } from './visibility';

function product(...groups: string[]): Entity {
  return {
    apiVersion: 'backstage.io/v1alpha1',
    kind: 'API',
    metadata: {
      name: 'toys',
      annotations: { 'devportal.kuadrant.io/visible-to': groups.join(',') },
    },
    spec: { visibleTo: groups.map(visibilityKey) },
  };
}

describe('IS_PRODUCT_FOR', () => {
  it('lets everybody see what is for nobody in particular', () => {
    const entity: Entity = {
      apiVersion: 'backstage.io/v1alpha1',
      kind: 'User',
      metadata: { name: 'alice' },
    };
    expect(isProductFor.apply(entity, { groups: [] })).toBe(true);
  });

  it('lets members see what is for their group', () => {
    const groups = ['readers', 'consumers'];
    expect(isProductFor.apply(product('consumers'), { groups })).toBe(true);
    expect(isProductFor.apply(product('owners'), { groups })).toBe(false);
    expect(isProductFor.apply(product('owners'), { groups: [] })).toBe(false);
  });

  it('tells groups apart that differ in case, or have a comma', () => {
    const entity = product('Ops', 'a,b');
    expect(isProductFor.apply(entity, { groups: ['ops'] })).toBe(false);
    expect(isProductFor.apply(entity, { groups: ['a'] })).toBe(false);
    expect(isProductFor.apply(entity, { groups: ['a,b'] })).toBe(true);
  });

  it('searches as it decides', () => {
    const everybody = {
      not: { key: 'metadata.annotations.devportal.kuadrant.io/visible-to' },
    };
    expect(isProductFor.toQuery({ groups: [] })).toEqual(everybody);
    expect(isProductFor.toQuery({ groups: ['ops'] })).toEqual({
      anyOf: [
        everybody,
        { key: 'spec.visibleTo', values: [visibilityKey('ops')] },
      ],
    });
  });
});
