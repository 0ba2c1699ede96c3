/* The APIProduct as it is written to the cluster. */
import { stringify } from 'yaml';
import type { NewProduct } from '@devportal/backstage-plugin-devportal-common';

export const yamlOf = ({ namespace, name, spec }: NewProduct): string =>
  stringify({
    apiVersion: 'devportal.kuadrant.io/v1alpha1',
    kind: 'APIProduct',
    metadata: { name, namespace },
    spec,
  });
