/* The frame of a page: its one main landmark, and what every page of the portal has. */
import type { ReactNode } from 'react';
import { Container } from '@backstage/ui';
import { Portal } from './Portal';

export const Page = ({ children }: { children: ReactNode }) => (
  <main>
    <Container py="6">
      <Portal>{children}</Portal>
    </Container>
  </main>
);
