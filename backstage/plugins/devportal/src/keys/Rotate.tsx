/* Asks how long the value before goes on, and makes another. */
import { useState } from 'react';
import { Radio, RadioGroup, Text } from '@backstage/ui';
import { dataOf, useWrite } from '../portal';
import type { Named } from '../portal';
import { Question, useWords } from '../shown';

export function Rotate({ of, onClose }: { of: Named; onClose: () => void }) {
  const t = useWords();
  const [overlap, setOverlap] = useState('2h');
  const write = useWrite(
    (client, body: { overlap: string }) =>
      dataOf(
        client.POST('/v1/keys/{namespace}/{name}/rotate', {
          params: { path: of },
          body,
        }),
      ),
    'keys',
  );
  return (
    <Question
      title={t('keys.rotate.title')}
      action={t('keys.rotate.action')}
      isPending={write.isPending}
      error={write.error}
      onConfirm={() => write.mutate({ overlap }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <Text>{t('keys.rotate.about')}</Text>
      <RadioGroup
        label={t('keys.rotate.overlap')}
        value={overlap}
        onChange={setOverlap}
      >
        <Radio value="0s">{t('keys.rotate.now')}</Radio>
        <Radio value="10m">{t('keys.rotate.minutes')}</Radio>
        <Radio value="2h">{t('keys.rotate.hours')}</Radio>
        <Radio value="24h">{t('keys.rotate.day')}</Radio>
      </RadioGroup>
    </Question>
  );
}
