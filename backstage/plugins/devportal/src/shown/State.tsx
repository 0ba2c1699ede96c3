/* How a key, a request or a product stands: a word, an icon and a colour. */
import { Badge } from '@backstage/ui';
import {
  RiAlertLine,
  RiCheckLine,
  RiCloseLine,
  RiDraftLine,
  RiHourglassLine,
  RiTimeLine,
} from '@remixicon/react';
import type {
  Finding,
  State as KeyState,
} from '@devportal/backstage-plugin-devportal-common';
import { useWords } from './useWords';

const LOOKS = {
  Pending: { icon: <RiHourglassLine />, tone: '--bui-fg-warning' },
  Approved: { icon: <RiCheckLine />, tone: '--bui-fg-positive' },
  Published: { icon: <RiCheckLine />, tone: '--bui-fg-positive' },
  Denied: { icon: <RiCloseLine />, tone: '--bui-fg-negative' },
  Failed: { icon: <RiAlertLine />, tone: '--bui-fg-negative' },
  NotEnforced: { icon: <RiAlertLine />, tone: '--bui-fg-warning' },
  Expired: { icon: <RiTimeLine />, tone: '--bui-fg-secondary' },
  Draft: { icon: <RiDraftLine />, tone: '--bui-fg-secondary' },
};

export function State({
  of,
  enforced,
}: {
  of: KeyState | 'Draft' | 'Published';
  enforced?: Finding | null;
}) {
  const t = useWords();
  const state =
    of === 'Approved' && enforced?.holds === false ? 'NotEnforced' : of;
  const { icon, tone } = LOOKS[state];
  return (
    <Badge
      size="small"
      // The colour is the icon's: as a text it would be hard to read.
      icon={
        <span style={{ display: 'flex', color: `var(${tone})` }}>{icon}</span>
      }
      style={{ fontSize: 'var(--bui-font-size-2)' }}
    >
      {t(`shown.state.${state}`)}
    </Badge>
  );
}
