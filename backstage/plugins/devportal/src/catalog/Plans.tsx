/* The plans of a product with their limits in words: to read, and to choose from. */
import { Radio, RadioGroup, Text } from '@backstage/ui';
import type { Plan } from '@devportal/backstage-plugin-devportal-common';
import { Empty, Name, sharedLimits, useLanguage, useWords } from '../shown';
import css from './Plans.module.css';

export function Plans({ of: plans }: { of: Plan[] }) {
  const t = useWords();
  const language = useLanguage();
  if (plans.length === 0) {
    return (
      <Empty title={t('catalog.noPlans')}>{t('catalog.noPlansNext')}</Empty>
    );
  }
  return (
    <ul className={css.plans}>
      {plans.map(plan => (
        <li key={plan.tier} className={css.plan}>
          <Text as="h3" variant="body-large" weight="bold">
            <Name>{plan.tier}</Name>
          </Text>
          <Text color="secondary">
            <bdi>{sharedLimits(plan, t, language)}</bdi>
          </Text>
        </li>
      ))}
    </ul>
  );
}

export function PlanChoice({
  of: plans,
  value,
  onChange,
}: {
  of: Plan[];
  value: string;
  onChange: (tier: string) => void;
}) {
  const t = useWords();
  const language = useLanguage();
  return (
    <RadioGroup
      label={t('catalog.form.plan')}
      isRequired
      value={value}
      onChange={onChange}
    >
      {plans.map(plan => (
        <Radio key={plan.tier} value={plan.tier} className={css.choice}>
          <span>
            <Text as="span" weight="bold">
              <Name>{plan.tier}</Name>
            </Text>
            <Text as="span" color="secondary">
              <bdi>{sharedLimits(plan, t, language)}</bdi>
            </Text>
          </span>
        </Radio>
      ))}
    </RadioGroup>
  );
}
