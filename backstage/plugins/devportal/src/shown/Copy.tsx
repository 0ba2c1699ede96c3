/* Copies a text, and says that it did. */
import { useEffect, useState } from 'react';
import { Button, VisuallyHidden } from '@backstage/ui';
import {
  RiCheckLine,
  RiErrorWarningLine,
  RiFileCopyLine,
} from '@remixicon/react';
import { useWords } from './useWords';

const LOOKS = {
  ready: <RiFileCopyLine />,
  copied: <RiCheckLine />,
  failed: <RiErrorWarningLine />,
};

export function Copy({
  text,
  label,
  onCopied,
}: {
  text: string;
  label?: string;
  onCopied?: () => void;
}) {
  const t = useWords();
  const [outcome, setOutcome] = useState<keyof typeof LOOKS>('ready');
  useEffect(() => {
    if (outcome === 'ready') return undefined;
    const timer = setTimeout(() => setOutcome('ready'), 3_000);
    return () => clearTimeout(timer);
  }, [outcome]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setOutcome('copied');
      onCopied?.();
    } catch {
      // Browsers refuse it outside https, and where the person did.
      setOutcome('failed');
    }
  };
  const said = outcome === 'ready' ? '' : t(`shown.${outcome}`);
  return (
    <>
      <Button
        size="small"
        variant="secondary"
        iconStart={LOOKS[outcome]}
        onPress={() => void copy()}
      >
        {said || (label ?? t('shown.copy'))}
      </Button>
      <VisuallyHidden role="status">{said}</VisuallyHidden>
    </>
  );
}
