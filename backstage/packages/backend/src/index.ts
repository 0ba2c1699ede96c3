import { createBackend } from '@backstage/backend-defaults';

const backend = createBackend();

backend.add(import('@backstage/plugin-app-backend'));
backend.add(import('@backstage/plugin-auth-backend'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(import('@backstage/plugin-catalog-backend-module-logs'));
backend.add(import('@backstage/plugin-permission-backend'));
backend.add(import('@devportal/backstage-plugin-devportal-backend'));
backend.add(
  import('@devportal/backstage-plugin-catalog-backend-module-devportal'),
);
backend.add(
  import('@devportal/backstage-plugin-permission-backend-module-devportal'),
);
backend.add(import('./demo'));

// Half a backend would go on answering: better none.
backend.start().catch(error => {
  // eslint-disable-next-line no-console
  console.error(error);
  process.exit(1);
});
