import type { ProductSpec } from '@devportal/backstage-plugin-devportal-common';
import { Name } from '../shown';
import type { Words } from '../shown';

/** Who decides about requests, as the product names them. */
export function whoDecides({ owner, contact }: ProductSpec, t: Words) {
  const name = owner?.name ?? contact?.team;
  return name ? <Name>{name}</Name> : <span>{t('catalog.somebody')}</span>;
}
