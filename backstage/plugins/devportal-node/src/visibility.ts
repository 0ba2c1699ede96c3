import { createHash } from 'node:crypto';
import { Entity } from '@backstage/catalog-model';
import { EntitiesSearchFilter } from '@backstage/plugin-catalog-node';
import { catalogEntityPermissionResourceRef } from '@backstage/plugin-catalog-node/alpha';
import { PermissionCriteria } from '@backstage/plugin-permission-common';
import {
  createConditionExports,
  createPermissionRule,
} from '@backstage/plugin-permission-node';
import { VISIBLE_TO_ANNOTATION } from '@devportal/backstage-plugin-devportal-common';
import { z } from 'zod';

/**
 * How a group stands in `spec.visibleTo` of an entity: hashed, because the catalog's search
 * ignores case and long values, and groups of the cluster may differ in case or be long.
 */
export function visibilityKey(group: string): string {
  return createHash('sha256').update(group).digest('hex');
}

function isForEverybody(entity: Entity): boolean {
  return entity.metadata.annotations?.[VISIBLE_TO_ANNOTATION] === undefined;
}

function visibleTo(entity: Entity): unknown[] {
  const keys = entity.spec?.visibleTo;
  return Array.isArray(keys) ? keys : [];
}

/** Whether an entity is for everybody, or for one of the groups. */
export const isProductFor = createPermissionRule({
  name: 'IS_PRODUCT_FOR',
  description:
    'Allow entities but products that are for other groups than these',
  resourceRef: catalogEntityPermissionResourceRef,
  paramsSchema: z.object({
    groups: z
      .array(z.string())
      .describe('The groups of whoever asks, as the cluster names them'),
  }),
  apply: (entity: Entity, { groups }: { groups: string[] }) => {
    if (isForEverybody(entity)) return true;
    const keys = visibleTo(entity);
    return groups.some(group => keys.includes(visibilityKey(group)));
  },
  toQuery: ({
    groups,
  }: {
    groups: string[];
  }): PermissionCriteria<EntitiesSearchFilter> => {
    const everybody = {
      not: { key: `metadata.annotations.${VISIBLE_TO_ANNOTATION}` },
    };
    if (groups.length === 0) return everybody;
    return {
      anyOf: [
        everybody,
        { key: 'spec.visibleTo', values: groups.map(visibilityKey) },
      ],
    };
  },
});

/** The rule for policies: `createConditionalDecision(permission, conditions.isProductFor({ groups }))`. */
export const { conditions, createConditionalDecision } = createConditionExports(
  {
    resourceRef: catalogEntityPermissionResourceRef,
    rules: { isProductFor },
  },
);
