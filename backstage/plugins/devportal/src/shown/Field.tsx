/* Fields of forms, with what the server says is wrong with them at their place. */
import { TextAreaField, TextField } from '@backstage/ui';
import type { PortalError } from '../portal';

/** What the server says about a field, whether it names it with `spec.` or without. */
export const wrongWith = (
  error: PortalError | null | undefined,
  field: string,
): string | undefined =>
  error?.causes.find(it => it.field === field || it.field === `spec.${field}`)
    ?.message;

export function Field({
  wrong,
  isLong,
  type,
  ...props
}: {
  label: string;
  description?: string;
  placeholder?: string;
  isRequired?: boolean;
  isDisabled?: boolean;
  isLong?: boolean;
  type?: 'text' | 'email' | 'url';
  value: string;
  onChange: (value: string) => void;
  /** What is wrong with the value. */
  wrong?: string;
}) {
  const shared = {
    ...props,
    size: 'small' as const,
    // Said at once, and also while nothing is sent.
    validationBehavior: 'aria' as const,
    validate: () => wrong,
  };
  return isLong ? (
    <TextAreaField rows={3} {...shared} />
  ) : (
    <TextField type={type} {...shared} />
  );
}
