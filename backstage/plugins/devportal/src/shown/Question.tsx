/* A dialog that asks before something is done, and stays with what was typed if it fails. */
import type { ReactNode } from 'react';
import {
  Button,
  Dialog,
  DialogBody,
  DialogFooter,
  DialogHeader,
  Flex,
} from '@backstage/ui';
import type { PortalError } from '../portal';
import { Problem } from './Problem';
import { useWords } from './useWords';

export function Question({
  title,
  children,
  action,
  isDestructive,
  isPending,
  isReady = true,
  error,
  fields,
  onConfirm,
  onClose,
  onCancel = onClose,
}: {
  title: string;
  children: ReactNode;
  /** What the button says: a verb. */
  action: string;
  isDestructive?: boolean;
  isPending: boolean;
  isReady?: boolean;
  error?: PortalError | null;
  /** Fields whose causes are shown at them. */
  fields?: string[];
  onConfirm: () => void;
  onClose: () => void;
  /** Where it is more than to close. */
  onCancel?: () => void;
}) {
  const t = useWords();
  return (
    <Dialog
      isOpen
      width={560}
      // What is under way is not called off by leaving: it would be done all the same.
      isDismissable={!isPending}
      isKeyboardDismissDisabled={isPending}
      onOpenChange={isOpen => !isOpen && !isPending && onClose()}
    >
      <DialogHeader>{title}</DialogHeader>
      <DialogBody>
        <Flex direction="column" gap="4">
          {children}
          {error && <Problem isWrite error={error} without={fields} />}
        </Flex>
      </DialogBody>
      <DialogFooter>
        <Button variant="secondary" isDisabled={isPending} onPress={onCancel}>
          {t('shown.cancel')}
        </Button>
        <Button
          variant="primary"
          destructive={isDestructive}
          isPending={isPending}
          isDisabled={!isReady}
          onPress={onConfirm}
        >
          {action}
        </Button>
      </DialogFooter>
    </Dialog>
  );
}
