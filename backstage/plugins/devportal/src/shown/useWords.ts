import { useTranslationRef } from '@backstage/frontend-plugin-api';
import type { TranslationFunction } from '@backstage/frontend-plugin-api';
import { devportalTranslationRef } from '../messages';

export type Words = TranslationFunction<(typeof devportalTranslationRef)['T']>;

/** The words of the pages: `t('keys.title')`. */
export const useWords = (): Words =>
  useTranslationRef(devportalTranslationRef).t;
