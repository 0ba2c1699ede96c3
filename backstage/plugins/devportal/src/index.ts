export { default } from './plugin';
export { devportalTranslationRef } from './messages';
export { PortalApi, portalApiRef, useMe } from './portal';
export { Portal } from './shown';
