/* Plans, with their limits in words. */
import type { Plan } from '@devportal/backstage-plugin-devportal-common';
import { Facts, sharedLimits, useLanguage, useWords } from '../shown';

export function Plans({ plans }: { plans: Plan[] }) {
  const t = useWords();
  const language = useLanguage();
  return (
    <Facts facts={plans.map(it => [it.tier, sharedLimits(it, t, language)])} />
  );
}
