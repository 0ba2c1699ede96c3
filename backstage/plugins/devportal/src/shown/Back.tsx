/* The way back to the list, or to what is edited. */
import type { ReactNode } from 'react';
import { Flex, Link } from '@backstage/ui';
import { RiArrowLeftLine } from '@remixicon/react';

export const Back = ({
  href,
  children,
}: {
  href: string | undefined;
  children: ReactNode;
}) =>
  href ? (
    <Link href={href} standalone>
      <Flex align="center" gap="1">
        <RiArrowLeftLine size={16} aria-hidden="true" />
        {children}
      </Flex>
    </Link>
  ) : null;
