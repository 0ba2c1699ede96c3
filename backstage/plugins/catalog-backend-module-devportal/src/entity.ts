import { createHash } from 'node:crypto';
import {
  ANNOTATION_LOCATION,
  ANNOTATION_ORIGIN_LOCATION,
  ApiEntity,
  EntityLink,
  KubernetesValidatorFunctions,
  stringifyEntityRef,
} from '@backstage/catalog-model';
import {
  HTTPROUTE_ANNOTATION,
  isOneEmail,
  Product,
  PRODUCT_ANNOTATION,
  ProductSpec,
  Reference,
  VISIBLE_TO_ANNOTATION,
} from '@devportal/backstage-plugin-devportal-common';
import { visibilityKey } from '@devportal/backstage-plugin-devportal-node';
import { ownerRef } from './owner';

const NO_DOCUMENT = 'No OpenAPI document is known for this API.';

/**
 * Backstage reads descriptions as Markdown, in which anybody could load an image from
 * anywhere, or put another address behind a link: both stay text.
 */
const literal = (text: string) => text.replace(/[\\<[]/g, '\\$&');

/** What a product is in the catalog. */
export function entityOf(product: Product, document?: string): ApiEntity {
  const { namespace, name, spec } = product;
  const location = `devportal:${namespace}/${name}`;
  const groups = spec.visibility?.groups ?? [];
  const tags = tagsOf(spec.tags ?? []);
  const links = linksOf(spec);
  const hasDocument = document !== undefined && document.trim() !== '';
  return {
    apiVersion: 'backstage.io/v1alpha1',
    kind: 'API',
    metadata: {
      namespace,
      name: entityName(name),
      // Backstage takes no empty title: the product would be missing without a word.
      title: spec.displayName.trim() || name,
      ...(spec.description && { description: literal(spec.description) }),
      annotations: {
        [ANNOTATION_LOCATION]: location,
        [ANNOTATION_ORIGIN_LOCATION]: location,
        [PRODUCT_ANNOTATION]: `${namespace}/${name}`,
        [HTTPROUTE_ANNOTATION]: `${namespace}/${spec.targetRef.name}`,
        ...(groups.length > 0 && { [VISIBLE_TO_ANNOTATION]: groups.join(',') }),
      },
      ...(tags.length > 0 && { tags }),
      ...(links.length > 0 && { links }),
    },
    spec: {
      type: hasDocument ? 'openapi' : 'other',
      // A product says whether it is published, and nothing of what comes after.
      lifecycle: 'production',
      owner: ownerRef(spec),
      definition: hasDocument ? document : NO_DOCUMENT,
      // What the permission rule IS_PRODUCT_FOR searches.
      ...(groups.length > 0 && { visibleTo: groups.map(visibilityKey) }),
    },
  };
}

/** The ref of a product's entity, also of one that is gone. */
export function entityRefOf({ namespace, name }: Reference): string {
  return stringifyEntityRef({ kind: 'API', namespace, name: entityName(name) });
}

/**
 * The product's name; or what fits of it, and a hash that tells it from others: names in
 * Kubernetes may have 253 characters, in Backstage 63.
 */
export function entityName(name: string): string {
  if (KubernetesValidatorFunctions.isValidObjectName(name)) return name;
  const fitting = name
    .slice(0, 54)
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/^[^A-Za-z0-9]/, 'x');
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 8);
  return `${fitting}-${hash}`;
}

/** Tags as Backstage takes them; those of which nothing is left are dropped. */
export function tagsOf(tags: string[]): string[] {
  const fitting = tags.map(tag =>
    tag
      .toLocaleLowerCase('en-US')
      .replace(/[^a-z0-9:+#]+/g, '-')
      .replace(/^-/, '')
      .slice(0, 63)
      .replace(/-$/, ''),
  );
  return [...new Set(fitting)].filter(tag => tag !== '');
}

/** Where to read on and whom to ask. Owners write these: only addresses one may click on. */
export function linksOf({ documentation, contact }: ProductSpec): EntityLink[] {
  const email = contact?.email;
  const candidates: [string | null | undefined, string][] = [
    [documentation?.docsURL, 'Documentation'],
    [documentation?.swaggerUI, 'Try it'],
    [documentation?.openAPISpecURL, 'OpenAPI document'],
    [documentation?.gitRepository, 'Source code'],
    [contact?.url, contact?.team ? `Contact: ${contact.team}` : 'Contact'],
    [email && isOneEmail(email) ? `mailto:${email}` : '', email ?? ''],
    [contact?.slack, 'Slack'],
  ];
  return candidates.flatMap(([url, title]) =>
    url && isClickable(url) ? [{ url, title }] : [],
  );
}

function isClickable(url: string): boolean {
  if (/\s/.test(url) || !URL.canParse(url)) return false;
  return ['http:', 'https:', 'mailto:'].includes(new URL(url).protocol);
}
