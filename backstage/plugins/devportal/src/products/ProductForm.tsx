/* The fields of a product, for a new one and for one that is there. */
import type { ReactNode } from 'react';
import { Button, Flex, Text } from '@backstage/ui';
import type { PortalError } from '../portal';
import { Problem, useWords } from '../shown';
import { About, Contact, Documentation, Owner, When, Who } from './fields';
import type { FieldsProps } from './fields';
import { FIELDS, fieldOf } from './draft';
import type { Draft } from './draft';
import { Yaml } from './Yaml';
import css from './products.module.css';

/** What the server says about each field, as long as it stands as it was sent. */
export function wrongsOf(
  error: PortalError | null,
  sent: Draft | undefined,
  draft: Draft,
): Partial<Record<keyof Draft, string>> {
  const wrongs: Partial<Record<keyof Draft, string>> = {};
  for (const cause of error?.causes ?? []) {
    const field = cause.field && fieldOf(cause.field);
    if (field && sent?.[field] === draft[field]) {
      wrongs[field] = wrongs[field]
        ? `${wrongs[field]} ${cause.message}`
        : cause.message;
    }
  }
  return wrongs;
}

export function ProductForm({
  draft,
  wrongs,
  onChange,
  isNew,
  isPending,
  isReady = true,
  error,
  action,
  yaml,
  yamlNote,
  notice,
  onSend,
}: FieldsProps & {
  isPending: boolean;
  isReady?: boolean;
  error: PortalError | null;
  /** What the button says. */
  action: string;
  yaml: string;
  yamlNote: string;
  /** Stands above the button. */
  notice?: ReactNode;
  onSend: () => void;
}) {
  const t = useWords();
  const fields = { draft, wrongs, onChange, isNew };
  const marked = FIELDS.filter(it => wrongs[it]).length;
  // Causes that stand at their field are not said twice.
  const placed = (error?.causes ?? [])
    .map(it => it.field)
    .filter((it): it is string => it !== undefined && Boolean(fieldOf(it)));
  const isAllPlaced =
    error !== null &&
    error.causes.length > 0 &&
    error.causes.every(it => it.field && placed.includes(it.field));
  return (
    <form
      noValidate
      className={css.form}
      onSubmit={event => {
        event.preventDefault();
        if (!isPending && isReady) onSend();
      }}
    >
      <Flex direction="column" gap="6">
        <About {...fields} />
        <Who {...fields} />
        <Owner {...fields} />
        <Contact {...fields} />
        <Documentation {...fields} />
        <When {...fields} />
        {notice}
        {error && !isAllPlaced && (
          <Problem isWrite error={error} without={placed} />
        )}
        <div aria-live="polite">
          {marked > 0 && (
            <Text color="danger">
              {t('products.form.mend', { count: marked })}
            </Text>
          )}
        </div>
        <Flex align="center" gap="3">
          <Button
            type="submit"
            variant="primary"
            isPending={isPending}
            isDisabled={!isReady}
          >
            {action}
          </Button>
          {!isReady && (
            <Text color="secondary">{t('products.form.nothing')}</Text>
          )}
        </Flex>
      </Flex>
      <Yaml text={yaml} note={yamlNote} />
    </form>
  );
}
