/* The menu: a short list, with what is for whoever is signed in. */
import type { ReactElement } from 'react';
import { useSidebarPinState } from '@backstage/core-components';
import type { NavContentComponentProps } from '@backstage/plugin-app-react';
import {
  RouterLink,
  useAppLocation,
  useTranslationRef,
} from '@backstage/frontend-plugin-api';
import { RiBookOpenLine, RiSettings3Line } from '@remixicon/react';
import { Portal } from '@devportal/backstage-plugin-devportal';
import { appTranslationRef } from '../messages';
import { Person } from './Person';
import { useMenu } from './useMenu';
import css from './Nav.module.css';

/** Above the portal's own provider nothing of it can be asked. */
export const Nav = (props: NavContentComponentProps) => (
  <Portal isQuiet>
    <Menu {...props} />
  </Portal>
);

const CATALOG = '/catalog?filters[kind]=api&filters[user]=all';

/** The pages of APIs are the catalog's. */
const AN_API = /^\/catalog\/[^/]+\/api\//;

function Menu({ navItems }: NavContentComponentProps) {
  const { isPinned, isMobile } = useSidebarPinState();
  const { t } = useTranslationRef(appTranslationRef);
  const { pathname } = useAppLocation();
  const may = useMenu();
  // Taken anew each time: what is taken is gone from the collection.
  const items = navItems.clone();
  const apis = items.take('page:devportal/apis');
  const keys = items.take('page:devportal/keys');
  const requests = items.take('page:devportal/requests');
  const products = items.take('page:devportal/products');
  const health = items.take('page:devportal/health');
  const settings = items.take('page:user-settings');
  const isAt = (path: string) =>
    pathname === path || pathname.startsWith(`${path}/`);
  const isNarrow = !isPinned && !isMobile;
  return (
    <nav
      className={css.nav}
      aria-label={t('nav.label')}
      data-narrow={isNarrow || undefined}
    >
      <RouterLink
        href={apis?.href ?? CATALOG}
        className={css.brand}
        aria-label={t('nav.label')}
      >
        <img src="/favicon.svg" alt="" width={28} height={28} />
        <span className={css.label}>{t('nav.label')}</span>
      </RouterLink>
      <ul className={css.items}>
        {apis && (
          <Item
            {...apis}
            isCurrent={isAt(apis.href) || AN_API.test(pathname)}
          />
        )}
        {keys && may.keys && <Item {...keys} isCurrent={isAt(keys.href)} />}
        {requests && may.requests && (
          <Item
            {...requests}
            title={t('nav.requests')}
            count={may.pendingRequests}
            isCurrent={isAt(requests.href)}
          />
        )}
        {products && may.products && (
          <Item
            {...products}
            title={isMobile ? t('nav.products') : products.title}
            isCurrent={isAt(products.href)}
          />
        )}
        {health && (
          <Item
            {...health}
            title={isMobile ? t('nav.health') : health.title}
            isCurrent={isAt(health.href)}
          />
        )}
        <Item
          isApart
          href={CATALOG}
          icon={<RiBookOpenLine />}
          title={t('nav.catalog')}
          isCurrent={isAt('/catalog') && !AN_API.test(pathname)}
        />
        {settings && (
          <Item
            {...settings}
            title={t('nav.settings')}
            icon={<RiSettings3Line />}
            isCurrent={isAt(settings.href)}
          />
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
  isCurrent,
  isApart,
}: {
  href: string;
  icon: ReactElement | null;
  title: string;
  count?: number;
  isCurrent: boolean;
  /** It and those after it stand at the foot. */
  isApart?: boolean;
}) {
  const { t } = useTranslationRef(appTranslationRef);
  return (
    <li className={isApart ? css.apart : undefined}>
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
            aria-label={t('nav.waiting', { count })}
            role="img"
          >
            {count}
          </span>
        ) : null}
      </RouterLink>
    </li>
  );
}
