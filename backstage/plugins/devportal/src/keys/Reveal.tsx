/*
 * Shows a value, once. It lives as long as this dialog and nowhere else: not in the memory
 * of answers, the address, a storage or a log.
 */
import { useEffect, useRef, useState } from 'react';
import { useApi } from '@backstage/frontend-plugin-api';
import {
  Alert,
  Button,
  Dialog,
  DialogBody,
  DialogFooter,
  DialogHeader,
  Flex,
  TextField,
} from '@backstage/ui';
import type {
  Key,
  Revealed,
} from '@devportal/backstage-plugin-devportal-common';
import { PortalError, dataOf, portalApiRef } from '../portal';
import { Copy, Problem, useKept, useWords } from '../shown';
import { addressOf, canBeSent, curl } from './snippets';
import css from './Reveal.module.css';

export function Reveal({
  of: { namespace, name, may },
  onClose,
  onRotate,
}: {
  of: Key;
  /** Over: there is nothing left that could be shown. */
  onClose: (isOver: boolean) => void;
  onRotate: () => void;
}) {
  const t = useWords();
  const { client, outdate } = useApi(portalApiRef);
  const [revealed, setRevealed] = useKept<Revealed | undefined>(
    `value of ${namespace}/${name}`,
    () => undefined,
  );
  const [error, setError] = useState<PortalError>();
  // Kept as well: whoever is mounted anew meanwhile waits for the same answer.
  const [isPending, setPending] = useKept(
    `reveal of ${namespace}/${name}`,
    () => false,
  );

  const reveal = async () => {
    setPending(true);
    setError(undefined);
    try {
      // Not with useMutation, which remembers what it was answered.
      setRevealed(
        await dataOf(
          client.POST('/v1/keys/{namespace}/{name}/reveal', {
            params: { path: { namespace, name } },
          }),
        ),
      );
    } catch (problem) {
      if (!(problem instanceof PortalError)) throw problem;
      setError(problem);
    } finally {
      setPending(false);
      void outdate('keys');
    }
  };

  const isGone = error?.status === 410;
  const close = () => {
    // The value comes once: who leaves before it does has lost it.
    if (isPending) return;
    setRevealed(undefined);
    onClose(Boolean(revealed) || isGone);
  };
  return (
    <Dialog
      isOpen
      width={560}
      // A value that is in sight, or on its way, is not lost by a slip of the hand.
      isDismissable={!revealed && !isPending}
      isKeyboardDismissDisabled={Boolean(revealed) || isPending}
      onOpenChange={isOpen => !isOpen && close()}
    >
      <DialogHeader>{t('keys.reveal.title')}</DialogHeader>
      <DialogBody>
        {revealed && <Value of={revealed} />}
        {!revealed && isGone && (
          <Alert
            status="warning"
            icon
            role="alert"
            title={t('keys.reveal.gone')}
            description={t(
              may.rotate ? 'keys.reveal.goneNext' : 'keys.reveal.goneAsk',
            )}
          />
        )}
        {!revealed && !isGone && (
          <Flex direction="column" gap="4">
            <Alert
              status="warning"
              icon
              title={t('keys.reveal.warning')}
              description={t('keys.reveal.warningNext')}
            />
            {error && <Problem isWrite error={error} />}
          </Flex>
        )}
      </DialogBody>
      <DialogFooter>
        {revealed ? (
          <Button onPress={close}>{t('keys.reveal.done')}</Button>
        ) : (
          <>
            <Button variant="secondary" isDisabled={isPending} onPress={close}>
              {t(isGone ? 'shown.close' : 'shown.cancel')}
            </Button>
            {isGone && may.rotate && (
              <Button onPress={onRotate}>{t('keys.reveal.goneAction')}</Button>
            )}
            {!isGone && (
              <Button isPending={isPending} onPress={() => void reveal()}>
                {t('keys.reveal.action')}
              </Button>
            )}
          </>
        )}
      </DialogFooter>
    </Dialog>
  );
}

function Value({ of: { value, url, credentials } }: { of: Revealed }) {
  const t = useWords();
  const field = useRef<HTMLDivElement>(null);
  // Ready to be copied with the keyboard, too.
  useEffect(() => field.current?.querySelector('input')?.select(), []);
  const target = url && { url: addressOf(url), credentials };
  return (
    <Flex direction="column" gap="4">
      <Alert
        status="success"
        icon
        role="status"
        title={t('keys.reveal.shown')}
      />
      <TextField
        label={t('keys.reveal.value')}
        value={value}
        isReadOnly
        ref={field}
        autoComplete="off"
        spellCheck="false"
        className={css.value}
      />
      <Flex gap="2" style={{ flexWrap: 'wrap' }}>
        <Copy text={value} label={t('keys.reveal.copy')} />
        {target && canBeSent(target) && (
          <Copy text={curl(target, value)} label={t('keys.reveal.copyCurl')} />
        )}
      </Flex>
    </Flex>
  );
}
