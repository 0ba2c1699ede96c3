/* Opens the form that asks for access, and goes on from there to the key's value. */
import { useEffect, useRef } from 'react';
import { Button } from '@backstage/ui';
import { RiKey2Line } from '@remixicon/react';
import type {
  Key,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { pathOf, useKept, useWords } from '../shown';
import { Reveal } from '../keys/Reveal';
import { Rotate } from '../keys/Rotate';
import { Made } from './Made';
import { RequestForm } from './RequestForm';

type Step =
  | { is: 'asking' }
  | { is: 'made' | 'revealing' | 'rotating'; key: Key };

export function RequestButton({ product }: { product: Product }) {
  const t = useWords();
  const [step, setStep] = useKept<Step | undefined>(
    `request ${pathOf(product)}`,
    () => undefined,
  );
  const close = () => setStep(undefined);
  const opener = useRef<HTMLButtonElement>(null);
  const isOpen = step !== undefined;
  const wasOpen = useRef(isOpen);
  useEffect(() => {
    // The last dialog gives the focus back to the one before it, which is gone.
    if (wasOpen.current && !isOpen) opener.current?.focus();
    wasOpen.current = isOpen;
  }, [isOpen]);
  return (
    <>
      <Button
        ref={opener}
        iconStart={<RiKey2Line />}
        isDisabled={product.plans.length === 0}
        onPress={() => setStep({ is: 'asking' })}
      >
        {t('catalog.request')}
      </Button>
      {step?.is === 'asking' && (
        <RequestForm
          product={product}
          onClose={close}
          onMade={key => setStep({ is: 'made', key })}
        />
      )}
      {step?.is === 'made' && (
        <Made
          of={step.key}
          product={product}
          onReveal={() => setStep({ ...step, is: 'revealing' })}
          onClose={close}
        />
      )}
      {step?.is === 'revealing' && (
        <Reveal
          of={step.key}
          onClose={close}
          onRotate={() => setStep({ ...step, is: 'rotating' })}
        />
      )}
      {step?.is === 'rotating' && <Rotate of={step.key} onClose={close} />}
    </>
  );
}
