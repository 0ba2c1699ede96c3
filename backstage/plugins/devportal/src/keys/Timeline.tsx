/* What the controller found out about a key, one after the other, in its own words. */
import { Flex, Text, VisuallyHidden } from '@backstage/ui';
import { RiCheckboxCircleLine, RiCloseCircleLine } from '@remixicon/react';
import type { Finding } from '@devportal/backstage-plugin-devportal-common';
import { Name, Quoted, When, useWords } from '../shown';
import css from './Timeline.module.css';

export function Timeline({ findings }: { findings: Finding[] }) {
  const t = useWords();
  if (findings.length === 0) {
    return <Text color="secondary">{t('keys.one.timelineEmpty')}</Text>;
  }
  const newestFirst = findings.toSorted(
    (a, b) => Date.parse(b.since) - Date.parse(a.since),
  );
  return (
    <ol className={css.timeline}>
      {newestFirst.map(({ kind, holds, reason, message, about, since }) => (
        <li key={kind}>
          <Point holds={holds} />
          <Flex gap="2" align="baseline" style={{ flexWrap: 'wrap' }}>
            <Text weight="bold">
              <Name>{inWords(kind)}</Name>
              <VisuallyHidden>
                {`: ${t(holds ? 'keys.one.holds' : 'keys.one.holdsNot')}`}
              </VisuallyHidden>
            </Text>
            <Text variant="body-small" color="secondary">
              <Name>{inWords(reason)}</Name> · <When at={since} />
            </Text>
          </Flex>
          {message && <Quoted text={message} />}
          {!holds && about && (
            <Text as="p" variant="body-small" color="secondary">
              {about}
            </Text>
          )}
        </li>
      ))}
    </ol>
  );
}

function Point({ holds }: { holds: boolean }) {
  const Icon = holds ? RiCheckboxCircleLine : RiCloseCircleLine;
  return (
    <Icon
      className={css.point}
      aria-hidden
      color={`var(${holds ? '--bui-fg-positive' : '--bui-fg-secondary'})`}
    />
  );
}

/** `ReadyForUse` as "Ready for use"; what is not written so stays. */
export function inWords(name: string): string {
  const words = name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+/g);
  if (words?.join('') !== name) return name;
  const [first, ...rest] = words;
  return [
    first,
    ...rest.map(it => (/^[A-Z]{2,}$/.test(it) ? it : it.toLowerCase())),
  ].join(' ');
}
