import {
  DEFAULT_NAMESPACE,
  KubernetesValidatorFunctions,
  parseEntityRef,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import { ProductSpec } from '@devportal/backstage-plugin-devportal-common';

const UNKNOWN = 'group:default/unknown';

/** Who owns a product: its owner, else the team to ask. */
export function ownerRef({ owner, contact }: ProductSpec): string {
  if (owner) return refOf(owner.kind, owner.name) ?? UNKNOWN;
  if (contact?.team) return refOf('Group', contact.team) ?? UNKNOWN;
  return UNKNOWN;
}

/** A ref of this kind, from a ref, a name, or words. */
function refOf(kind: 'User' | 'Group', text: string): string | undefined {
  const parsed = parse(kind, text.trim());
  if (parsed) return stringifyEntityRef(parsed);
  const name = slug(text);
  if (name === '') return undefined;
  return stringifyEntityRef({ kind, namespace: DEFAULT_NAMESPACE, name });
}

function parse(kind: 'User' | 'Group', text: string) {
  try {
    const ref = parseEntityRef(text, {
      defaultKind: kind,
      defaultNamespace: DEFAULT_NAMESPACE,
    });
    const isValid =
      ref.kind.toLocaleLowerCase('en-US') === kind.toLocaleLowerCase('en-US') &&
      KubernetesValidatorFunctions.isValidNamespace(ref.namespace) &&
      KubernetesValidatorFunctions.isValidObjectName(ref.name);
    return isValid ? ref : undefined;
  } catch {
    return undefined;
  }
}

function slug(text: string): string {
  return text
    .toLocaleLowerCase('en-US')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-/, '')
    .slice(0, 63)
    .replace(/-$/, '');
}
