/*
 * What is in the menu? What would be refused is not: the cluster says so in `/v1/me`, and
 * Backstage in its permissions. Until both have answered, everything is.
 */
import { usePermission } from '@backstage/plugin-permission-react';
import {
  healthReadPermission,
  keyReadPermission,
  productReadPermission,
  requestReadPermission,
} from '@devportal/backstage-plugin-devportal-common';
import { useMe } from '@devportal/backstage-plugin-devportal';

export function useMenu() {
  const { data: me } = useMe();
  const keys = usePermission({ permission: keyReadPermission });
  const requests = usePermission({ permission: requestReadPermission });
  const products = usePermission({ permission: productReadPermission });
  const health = usePermission({ permission: healthReadPermission });
  const lets = (asked: typeof keys) => asked.loading || asked.allowed;
  const owns = !me || me.publishIn.length > 0 || me.seesRequests || me.decides;
  return {
    keys: lets(keys) && (!me || me.seesKeys || me.requestIn.length > 0),
    requests: lets(requests) && (!me || me.seesRequests || me.decides),
    products: lets(products) && owns,
    health: lets(health),
    pendingRequests: me?.pendingRequests,
  };
}
