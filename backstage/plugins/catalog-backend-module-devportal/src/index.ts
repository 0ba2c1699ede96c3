/**
 * The portal's products in the catalog.
 *
 * @packageDocumentation
 */
export { catalogModuleDevportal as default } from './module';
