/**
 * What the frontend, the backend and policies share about the developer portal.
 *
 * @packageDocumentation
 */
export * from './annotations';
export * from './email';
export * from './operations';
export * from './permissions';
export * from './schema';
export type { components, paths } from './generated/portal';
