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
  ProductSpec,
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
  const isReady = key.canReveal && key.may.reveal;
  return (
    <Dialog isOpen width={560} onOpenChange={isOpen => !isOpen && onClose()}>
      <DialogHeader>
        {t(isReady ? 'catalog.form.madeReady' : 'catalog.form.made')}
      </DialogHeader>
      <DialogBody>
        <Flex direction="column" gap="4">
          {query.error && <Problem error={query.error} />}
          <div role="status">
            {isReady ? (
              <Alert
                status="success"
                icon
                title={t('catalog.form.madeReadyNext')}
              />
            ) : (
              <Flex direction="column" gap="3" align="start">
                <State of={key.state} enforced={key.enforced} />
                <Next of={key} spec={product.spec} />
                {key.message && <Quoted text={key.message} />}
              </Flex>
            )}
          </div>
        </Flex>
      </DialogBody>
      <DialogFooter>
        {link && (
          <ButtonLink variant="secondary" href={link({ namespace, name })}>
            {t('catalog.form.open')}
          </ButtonLink>
        )}
        {isReady ? (
          <Button onPress={onReveal}>{t('catalog.form.reveal')}</Button>
        ) : (
          <Button onPress={onClose}>{t('shown.close')}</Button>
        )}
      </DialogFooter>
    </Dialog>
  );
}

/** What there is to wait for, if anything. */
function Next({ of: key, spec }: { of: Key; spec: ProductSpec }) {
  const t = useWords();
  const isPending = key.state === 'Pending';
  if (isPending && spec.approvalMode === 'manual') {
    return <>{t('catalog.form.madePending', { who: whoDecides(spec, t) })}</>;
  }
  const isBeingMade = key.state === 'Approved' && !key.canReveal;
  return isPending || isBeingMade ? <>{t('catalog.form.madeSoon')}</> : null;
}
