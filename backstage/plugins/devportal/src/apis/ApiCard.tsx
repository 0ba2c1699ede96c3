/* One API: what it is, which plans it has, and how access to it is given. */
import type { ReactNode } from 'react';
import { Link, Text, VisuallyHidden } from '@backstage/ui';
import {
  RiAlertLine,
  RiFlashlightLine,
  RiKey2Line,
  RiTeamLine,
  RiUserFollowLine,
} from '@remixicon/react';
import type { ProductRow } from '@devportal/backstage-plugin-devportal-common';
import { takesOnlyTokens } from '../catalog/takesOnlyTokens';
import { useProduct } from '../portal';
import { Name, Quoted, useLinks, useWords } from '../shown';
import css from './apis.module.css';

export const ApiCard = ({ api }: { api: ProductRow }) =>
  api.tiers.length > 0 ? <Card api={api} /> : <WithoutPlans api={api} />;

/** Whether that is amiss only the product tells. */
function WithoutPlans({ api }: { api: ProductRow }) {
  const { data } = useProduct(api);
  return <Card api={api} isByToken={data && takesOnlyTokens(data)} />;
}

function Card({ api, isByToken }: { api: ProductRow; isByToken?: boolean }) {
  const t = useWords();
  const page = useLinks().api(api);
  return (
    <li className={css.api} data-linked={page ? true : undefined}>
      <div className={css.name}>
        <Text as="h2" variant="title-x-small" weight="bold">
          {page ? (
            <Link href={page} standalone className={css.link} weight="bold">
              <Name>{api.displayName}</Name>
            </Link>
          ) : (
            <Name>{api.displayName}</Name>
          )}
        </Text>
        {api.version && (
          <Text variant="body-small" color="secondary">
            <Name>{api.version}</Name>
          </Text>
        )}
      </div>
      <div className={css.about}>
        {api.description ? (
          <Quoted text={api.description} lines={2} color="secondary" />
        ) : (
          <Text color="secondary">{t('apis.noDescription')}</Text>
        )}
      </div>
      <Chips label={t('apis.plans')} of={api.tiers} isStrong />
      <Matters of={api} isByToken={isByToken} />
      <div className={css.foot}>
        <Way of={isByToken ? 'token' : api.approvalMode} />
        <Sign icon={<RiTeamLine />}>
          <VisuallyHidden>{t('apis.team')} </VisuallyHidden>
          <Name>{api.team ?? api.owner?.name ?? api.namespace}</Name>
        </Sign>
        <Chips label={t('apis.tags')} of={api.tags} />
      </div>
    </li>
  );
}

/** How access is given. */
function Way({ of: way }: { of: 'token' | ProductRow['approvalMode'] }) {
  const t = useWords();
  const [icon, words] = {
    token: [<RiKey2Line />, t('apis.byToken')],
    automatic: [<RiFlashlightLine />, t('apis.atOnce')],
    manual: [<RiUserFollowLine />, t('apis.decided')],
  }[way];
  return <Sign icon={icon}>{words}</Sign>;
}

function Chips({
  label,
  of: names,
  isStrong,
}: {
  label: string;
  of: string[];
  isStrong?: boolean;
}) {
  return names.length === 0 ? null : (
    <ul className={isStrong ? css.plans : css.tags} aria-label={label}>
      {names.map(it => (
        <li key={it}>
          <Name>{it}</Name>
        </li>
      ))}
    </ul>
  );
}

function Sign({ icon, children }: { icon: ReactNode; children: ReactNode }) {
  return (
    <span className={css.sign}>
      <span className={css.icon} aria-hidden="true">
        {icon}
      </span>
      <span>{children}</span>
    </span>
  );
}

/**
 * What is amiss: for consumers only what keeps them from a key or from the API, and
 * for those who look after it how much there is.
 */
function Matters({
  of: { tiers, problems, keys },
  isByToken,
}: {
  of: ProductRow;
  isByToken?: boolean;
}) {
  const t = useWords();
  const words: string[] = [];
  if (tiers.length === 0 && !isByToken) words.push(t('apis.noPlans'));
  if (problems.some(it => it.kind === 'Ready')) words.push(t('apis.notReady'));
  if (keys && problems.length > 0 && words.length === 0) {
    words.push(t('apis.problems', { count: problems.length }));
  }
  return words.length === 0 ? null : (
    <div className={css.matters}>
      {words.map(it => (
        <Sign key={it} icon={<RiAlertLine />}>
          {it}
        </Sign>
      ))}
    </div>
  );
}
