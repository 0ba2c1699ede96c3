/* What do the menu and the sign-in page say? */
import { createTranslationRef } from '@backstage/frontend-plugin-api';

export const appTranslationRef = createTranslationRef({
  id: 'devportal.app',
  messages: {
    nav: {
      label: 'Developer Portal',
      requests: 'Requests',
      // Where the menu is narrow.
      products: 'Products',
      health: 'Health',
      waiting: '{{count}} waiting',
      catalog: 'Catalog',
      settings: 'Settings',
      signOut: 'Sign out',
    },
    signIn: {
      title: 'Developer Portal',
      choose: 'Choose who you are.',
      warning:
        'This is the demo’s sign-in, for development. It is no authentication: nobody is asked for a password.',
      nobody:
        'Nobody is configured: list people under auth.providers.demo.users.',
      failed: 'You could not be signed in',
      another: 'Choose somebody else',
    },
  },
});
