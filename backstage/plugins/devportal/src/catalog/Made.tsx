/* A request that was just made: how it stands, and the way on to the value. */
import { useRouteRef } from '@backstage/frontend-plugin-api';
import {
  Alert,
  Button,
  ButtonLink,
  Dialog,
  DialogBody,
  DialogFooter,
  DialogHeader,
  Flex,
} from '@backstage/ui';
import type {
  Key,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { useKey } from '../portal';
import { Problem, Quoted, State, useWords } from '../shown';
import { keyRouteRef } from '../routes';
import { whoDecides } from './whoDecides';

export function Made({
  of: made,
  product,
  onReveal,
  onClose,
}: {
  of: Key;
  product: Product;
  onReveal: () => void;
  onClose: () => void;
}) {
  const t = useWords();
  const link = useRouteRef(keyRouteRef);
  const { namespace, name } = made;
  const query = useKey({ namespace, name });
  const key = query.data ?? made;
  const isWaitedFor =
    key.state === 'Pending' && product.spec.approvalMode === 'manual';
  return (
    <Dialog isOpen width={560} onOpenChange={isOpen => !isOpen && onClose()}>
      <DialogHeader>
        {t(key.canReveal ? 'catalog.form.madeReady' : 'catalog.form.made')}
      </DialogHeader>
      <DialogBody>
        <Flex direction="column" gap="4">
          {query.error && <Problem error={query.error} />}
          <div role="status">
            {key.canReveal ? (
              <Alert
                status="success"
                icon
                title={t('catalog.form.madeReadyNext')}
              />
            ) : (
              <Flex direction="column" gap="3" align="start">
                <State of={key.state} enforced={key.enforced} />
                {isWaitedFor
                  ? t('catalog.form.madePending', {
                      who: whoDecides(product.spec, t),
                    })
                  : t('catalog.form.madeSoon')}
                {key.message && <Quoted text={key.message} />}
              </Flex>
            )}
          </div>
        </Flex>
      </DialogBody>
      <DialogFooter>
        <ButtonLink variant="secondary" href={link?.({ namespace, name })}>
          {t('catalog.form.open')}
        </ButtonLink>
        {key.canReveal ? (
          <Button onPress={onReveal}>{t('catalog.form.reveal')}</Button>
        ) : (
          <Button onPress={onClose}>{t('shown.close')}</Button>
        )}
      </DialogFooter>
    </Dialog>
  );
}
