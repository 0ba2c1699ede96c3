/* The menu: a short list, with what is for whoever is signed in. */
import type { ReactElement } from 'react';
import { useSidebarPinState } from '@backstage/core-components';
import type { NavContentComponentProps } from '@backstage/plugin-app-react';
import { RouterLink, useAppLocation } from '@backstage/frontend-plugin-api';
import { RiApps2Line, RiSettings3Line } from '@remixicon/react';
import { Portal } from '@devportal/backstage-plugin-devportal';
import { Person } from './Person';
import { useMenu } from './useMenu';
import css from './Nav.module.css';

/** Above the portal's own provider nothing of it can be asked. */
export const Nav = (props: NavContentComponentProps) => (
  <Portal isQuiet>
    <Menu {...props} />
  </Portal>
);

const APIS = '/catalog?filters[kind]=api&filters[user]=all';

function Menu({ navItems }: NavContentComponentProps) {
  const { isPinned, isMobile } = useSidebarPinState();
  const may = useMenu();
  // Taken anew each time: what is taken is gone from the collection.
  const items = navItems.clone();
  const keys = items.take('page:devportal/keys');
  const requests = items.take('page:devportal/requests');
  const products = items.take('page:devportal/products');
  const health = items.take('page:devportal/health');
  const settings = items.take('page:user-settings');
  const isNarrow = !isPinned && !isMobile;
  return (
    <nav
      className={css.nav}
      aria-label="Developer Portal"
      data-narrow={isNarrow || undefined}
    >
      <RouterLink
        href={APIS}
        className={css.brand}
        aria-label="Developer Portal"
      >
        <img src="/favicon.svg" alt="" width={28} height={28} />
        <span className={css.label}>Developer Portal</span>
      </RouterLink>
      <ul className={css.items}>
        <Item href={APIS} icon={<RiApps2Line />} title="Catalog" />
        {keys && may.keys && <Item {...keys} />}
        {requests && may.requests && (
          <Item {...requests} title="Requests" count={may.pendingRequests} />
        )}
        {products && may.products && <Item {...products} />}
        {health && may.health && <Item {...health} />}
        <li className={css.gap} aria-hidden="true" />
        {settings && (
          <Item {...settings} title="Settings" icon={<RiSettings3Line />} />
        )}
      </ul>
      {!isMobile && !isNarrow && <Person />}
    </nav>
  );
}

function Item({
  href,
  icon,
  title,
  count,
}: {
  href: string;
  icon: ReactElement | null;
  title: string;
  count?: number;
}) {
  const { pathname } = useAppLocation();
  const [path] = href.split('?');
  const isCurrent = pathname === path || pathname.startsWith(`${path}/`);
  return (
    <li>
      <RouterLink
        href={href}
        className={css.item}
        title={title}
        aria-current={isCurrent ? 'page' : undefined}
      >
        <span className={css.icon} aria-hidden="true">
          {icon}
        </span>
        <span className={css.label}>{title}</span>
        {count ? (
          <span
            className={css.count}
            aria-label={`${count} waiting`}
            role="img"
          >
            {count}
          </span>
        ) : null}
      </RouterLink>
    </li>
  );
}
