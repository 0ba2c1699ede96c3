/* What to grant instead of what is asked for: another plan, an earlier end. */
import { parseDate } from '@internationalized/date';
import { Button, DatePicker, Flex, Select } from '@backstage/ui';
import type { Request } from '@devportal/backstage-plugin-devportal-common';
import { useProduct } from '../portal';
import { Loaded, limitsInWords, useLanguage, useWords } from '../shown';
import type { Draft } from './decision';

const AS_ASKED = '';

export function Less({
  request,
  draft,
  onChange,
  isMissing,
  wrongTier,
  wrongEnd,
}: {
  request: Request;
  draft: Draft;
  onChange: (changes: Partial<Draft>) => void;
  isMissing: boolean;
  wrongTier?: string;
  wrongEnd?: string;
}) {
  const t = useWords();
  const language = useLanguage();
  const product = useProduct(request.product);
  const nothing = isMissing ? t('requests.decision.lessMissing') : undefined;
  return (
    <Flex direction="column" gap="4">
      <Loaded query={product} lines={1}>
        {({ plans }) => (
          <Select
            label={t('requests.decision.plan')}
            description={t('requests.decision.planNote', {
              tier: request.tier,
            })}
            size="small"
            options={[
              {
                value: AS_ASKED,
                label: t('requests.decision.asAsked', {
                  tier: request.tier,
                  limits: limitsInWords(request.limits, t, language),
                }),
              },
              ...plans
                .filter(it => it.tier !== request.tier)
                .map(it => ({
                  value: it.tier,
                  label: t('requests.decision.planOf', {
                    tier: it.tier,
                    limits: limitsInWords(it.limits, t, language),
                  }),
                })),
            ]}
            value={draft.tier ?? AS_ASKED}
            onChange={it =>
              onChange({ tier: it === AS_ASKED || !it ? undefined : `${it}` })
            }
            validationBehavior="aria"
            validate={() => wrongTier ?? nothing}
          />
        )}
      </Loaded>
      <DatePicker
        label={t('requests.decision.until')}
        description={t('requests.decision.untilNote')}
        value={draft.lastDay ? parseDate(draft.lastDay) : null}
        onChange={it => onChange({ lastDay: it?.toString() })}
        validationBehavior="aria"
        validate={() => wrongEnd}
      />
      {draft.lastDay && (
        <Flex>
          <Button
            size="small"
            variant="tertiary"
            onPress={() => onChange({ lastDay: undefined })}
          >
            {t('requests.decision.clearUntil')}
          </Button>
        </Flex>
      )}
    </Flex>
  );
}
