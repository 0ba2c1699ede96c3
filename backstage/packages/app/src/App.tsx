/* The portal's app, for the demo, development and tests. */
import { createApp } from '@backstage/frontend-defaults';
import { createFrontendModule } from '@backstage/frontend-plugin-api';
import {
  NavContentBlueprint,
  SignInPageBlueprint,
} from '@backstage/plugin-app-react';
import apiDocsPlugin from '@backstage/plugin-api-docs/alpha';
import catalogPlugin from '@backstage/plugin-catalog/alpha';
import orgPlugin from '@backstage/plugin-org/alpha';
import userSettingsPlugin from '@backstage/plugin-user-settings/alpha';
import devportalPlugin from '@devportal/backstage-plugin-devportal';
import { Nav } from './nav/Nav';

const appModule = createFrontendModule({
  pluginId: 'app',
  extensions: [
    SignInPageBlueprint.make({
      params: {
        loader: () => import('./signin/SignInPage').then(it => it.SignInPage),
      },
    }),
    NavContentBlueprint.make({ params: { component: Nav } }),
  ],
});

export const app = createApp({
  features: [
    catalogPlugin,
    // Its cards come before those of api-docs: access is what people look for.
    devportalPlugin,
    apiDocsPlugin,
    orgPlugin,
    userSettingsPlugin,
    appModule,
  ],
}).createRoot();
