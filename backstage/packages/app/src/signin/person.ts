/*
 * Who is signed in to the demo? It is kept as long as the tab is open, so that a page that
 * is loaded anew asks nobody again.
 */
import type { IdentityApi } from '@backstage/core-plugin-api';

const KEPT_AS = 'devportal.demo.user';

/** The header that the backend's provider `demo` reads. */
export const HEADER = 'x-devportal-demo-user';

export const kept = (): string | undefined =>
  sessionStorage.getItem(KEPT_AS) ?? undefined;

export const keep = (ref: string) => sessionStorage.setItem(KEPT_AS, ref);

export const forget = () => sessionStorage.removeItem(KEPT_AS);

/** Signing out forgets who it was. */
export const forgetting = (identity: IdentityApi): IdentityApi => ({
  getProfileInfo: () => identity.getProfileInfo(),
  getBackstageIdentity: () => identity.getBackstageIdentity(),
  getCredentials: () => identity.getCredentials(),
  signOut: async () => {
    forget();
    await identity.signOut();
  },
});
