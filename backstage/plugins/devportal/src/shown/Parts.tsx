/* Small parts of pages: a section with a heading, names for machines, code, links. */
import { useId } from 'react';
import type { ReactNode } from 'react';
import { Card, CardBody, CardHeader, Flex, Link, Text } from '@backstage/ui';
import { isOneEmail } from '@devportal/backstage-plugin-devportal-common';
import { Copy } from './Copy';
import css from './Parts.module.css';

/** A part of a page, with a heading that names it. */
export function Section({
  title,
  action,
  children,
}: {
  title: string;
  action?: ReactNode;
  children: ReactNode;
}) {
  const id = useId();
  return (
    <Card role="region" aria-labelledby={id} style={{ height: 'auto' }}>
      <CardHeader>
        <Flex justify="between" align="center" gap="3">
          <Text as="h2" variant="title-x-small" weight="bold" id={id}>
            {title}
          </Text>
          {action}
        </Flex>
      </CardHeader>
      <CardBody>{children}</CardBody>
    </Card>
  );
}

/** A name for machines. */
export function Mono({ children }: { children: string }) {
  return <bdi className={css.mono}>{children}</bdi>;
}

/** Code to copy. */
export function Code({ code, label }: { code: string; label: string }) {
  return (
    <Flex direction="column" gap="2" className={css.code}>
      {/* Whoever has no mouse scrolls it with the keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre tabIndex={0} role="region" aria-label={label} dir="ltr">
        <code>{code.trimEnd()}</code>
      </pre>
      <Flex justify="end">
        <Copy text={code} />
      </Flex>
    </Flex>
  );
}

/** A link to a page of ours; only the words where that page is switched off. */
export function To({
  href,
  weight,
  children,
}: {
  href: string | undefined;
  weight?: 'bold';
  children: ReactNode;
}) {
  return href ? (
    <Link href={href} weight={weight}>
      {children}
    </Link>
  ) : (
    <Text weight={weight}>{children}</Text>
  );
}

/** An address that others wrote; to be clicked on where it is plainly one. */
export function Email({ address }: { address: string }) {
  const name = <bdi style={{ overflowWrap: 'anywhere' }}>{address}</bdi>;
  return isOneEmail(address) ? (
    <Link href={`mailto:${address}`}>{name}</Link>
  ) : (
    name
  );
}

/** A link that others wrote; no link where it is not one of the web. */
export function Outside({ href }: { href: string }) {
  return /^https?:\/\//i.test(href) && URL.canParse(href) ? (
    <Link href={href} target="_blank" rel="noopener noreferrer">
      <bdi>{href}</bdi>
    </Link>
  ) : (
    <bdi>{href}</bdi>
  );
}
