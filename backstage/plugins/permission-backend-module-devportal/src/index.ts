/**
 * The demo's permission policy.
 *
 * @packageDocumentation
 */
export { permissionModuleDevportal as default } from './module';
