/**
 * The backend of the developer portal: a typed way to the portal's server.
 *
 * @packageDocumentation
 */
export { devportalPlugin as default } from './plugin';
