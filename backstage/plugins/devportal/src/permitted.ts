/*
 * Who has a page? Those to whom Backstage permits what it is for: others neither find it
 * in the menu nor by its address. Where Backstage decides about nothing, everybody has it.
 */
import type { Permission } from '@backstage/plugin-permission-common';

/** For `if` of an extension. */
export const permitted = ({ name, attributes }: Permission) => ({
  permissions: { $contains: `${name}#${attributes.action}` },
});
