export { default } from './plugin';
export { devportalTranslationRef } from './messages';
export { useMe } from './portal';
export { Portal } from './shown';
