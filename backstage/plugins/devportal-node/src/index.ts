/**
 * What the portal's backend plugin and its modules share: the way to the portal's server, the
 * names of people there, and who sees which product in the catalog.
 *
 * @packageDocumentation
 */
export * from './person';
export * from './server';
export * from './token';
export * from './visibility';
