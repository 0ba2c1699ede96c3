/*
 * What do the pages say? The words of each folder stand in its own messages.ts; an
 * organisation can replace any of them, or translate all.
 */
import { createTranslationRef } from '@backstage/frontend-plugin-api';
import { apisMessages } from './apis/messages';
import { catalogMessages } from './catalog/messages';
import { healthMessages } from './health/messages';
import { keysMessages } from './keys/messages';
import { productsMessages } from './products/messages';
import { requestsMessages } from './requests/messages';
import { shownMessages } from './shown/messages';

export const devportalTranslationRef = createTranslationRef({
  id: 'plugin.devportal',
  messages: {
    apis: apisMessages,
    catalog: catalogMessages,
    health: healthMessages,
    keys: keysMessages,
    products: productsMessages,
    requests: requestsMessages,
    shown: shownMessages,
  },
});
