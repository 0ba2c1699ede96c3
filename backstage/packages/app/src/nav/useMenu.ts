/*
 * What is in the menu? Of the pages that Backstage permits, those whose answers the cluster
 * would not refuse: it says so in `/v1/me`. Until it has answered, all of them.
 */
import { useMe } from '@devportal/backstage-plugin-devportal';

export function useMenu() {
  const { data: me } = useMe();
  return {
    keys: !me || me.seesKeys || me.requestIn.length > 0,
    requests: !me || me.seesRequests || me.decides,
    products: !me || me.publishIn.length > 0 || me.seesRequests || me.decides,
    pendingRequests: me?.pendingRequests,
  };
}
