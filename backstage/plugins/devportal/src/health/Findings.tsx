/* What is amiss in one respect: or that all is well there. */
import type { ReactNode } from 'react';
import { Button, ButtonLink, Flex, Text } from '@backstage/ui';
import { RiAlertLine, RiCheckLine } from '@remixicon/react';
import type { UseQueryResult } from '@tanstack/react-query';
import type { PortalError } from '../portal';
import { Loaded, Section, When, useWords } from '../shown';
import css from './Findings.module.css';

export type Found = {
  id: string;
  /** What it is about. */
  about: string;
  /** What is wrong, in the server's words. */
  messages: string[];
  since?: string | null;
  next: string;
  href?: string;
};

export function Findings<T>({
  heading,
  note,
  well,
  query,
  more,
  find,
}: {
  heading: string;
  note: string;
  /** What is said where nothing is amiss. */
  well: string;
  query: UseQueryResult<T, PortalError>;
  /** Where there may be more. */
  more?: { isFetching: boolean; fetch: () => void };
  find: (data: T) => Found[];
}) {
  const t = useWords();
  return (
    <Section title={heading}>
      <Flex direction="column" gap="4">
        <Text color="secondary">{note}</Text>
        <Loaded query={query} lines={2}>
          {data => {
            const found = find(data);
            return (
              <>
                {found.length === 0 && !more && <Well>{well}</Well>}
                {found.length > 0 && (
                  <ul className={css.findings}>
                    {found.map(it => (
                      <Finding key={it.id} found={it} />
                    ))}
                  </ul>
                )}
                {more && (
                  <Flex>
                    <Button
                      variant="secondary"
                      isPending={more.isFetching}
                      onPress={more.fetch}
                    >
                      {t('shown.more')}
                    </Button>
                  </Flex>
                )}
              </>
            );
          }}
        </Loaded>
      </Flex>
    </Section>
  );
}

function Well({ children }: { children: ReactNode }) {
  return (
    <Flex align="center" gap="2">
      <RiCheckLine
        size={18}
        aria-hidden="true"
        style={{ color: 'var(--bui-fg-positive)', flex: 'none' }}
      />
      <Text>{children}</Text>
    </Flex>
  );
}

function Finding({ found }: { found: Found }) {
  const t = useWords();
  return (
    <li className={css.finding}>
      <RiAlertLine
        size={18}
        aria-hidden="true"
        style={{ color: 'var(--bui-fg-warning)', flex: 'none', marginTop: 2 }}
      />
      <div className={css.words}>
        <Text as="p" weight="bold">
          <bdi>{found.about}</bdi>
        </Text>
        {found.messages.map(it => (
          <Text key={it} as="p">
            <bdi>{it}</bdi>
          </Text>
        ))}
        <Text as="p" variant="body-small" color="secondary">
          <bdi>{found.next}</bdi>
          {found.since && (
            <>
              {' · '}
              {t('health.since', { when: <When at={found.since} /> })}
            </>
          )}
        </Text>
      </div>
      {found.href && (
        <ButtonLink
          variant="secondary"
          href={found.href}
          aria-label={`${t('health.open')}: ${found.about}`}
        >
          {t('health.open')}
        </ButtonLink>
      )}
    </li>
  );
}
