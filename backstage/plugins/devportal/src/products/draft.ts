/* What is typed about a product, and what is written of it. */
import type {
  NewProduct,
  OwnerKind,
  ProductSpec,
  PublishStatus,
  ApprovalMode,
} from '@devportal/backstage-plugin-devportal-common';

/** The form. Texts as typed; empty: absent. */
export type Draft = {
  name: string;
  displayName: string;
  description: string;
  version: string;
  tags: string;
  approvalMode: ApprovalMode;
  groups: string;
  ownerKind: OwnerKind | '';
  ownerName: string;
  team: string;
  email: string;
  slack: string;
  url: string;
  docsURL: string;
  openAPISpecURL: string;
  gitRepository: string;
  publishStatus: PublishStatus;
};

/** Where each field stands in the object, for what the API server says about it. */
export const PATHS: Record<keyof Draft, string[]> = {
  name: ['name', 'metadata.name'],
  displayName: ['spec.displayName'],
  description: ['spec.description'],
  version: ['spec.version'],
  tags: ['spec.tags'],
  approvalMode: ['spec.approvalMode'],
  groups: ['spec.visibility', 'spec.visibility.groups'],
  ownerKind: ['spec.owner', 'spec.owner.kind'],
  ownerName: ['spec.owner.name'],
  team: ['spec.contact', 'spec.contact.team'],
  email: ['spec.contact.email'],
  slack: ['spec.contact.slack'],
  url: ['spec.contact.url'],
  docsURL: ['spec.documentation', 'spec.documentation.docsURL'],
  openAPISpecURL: ['spec.documentation.openAPISpecURL'],
  gitRepository: ['spec.documentation.gitRepository'],
  publishStatus: ['spec.publishStatus'],
};

export const FIELDS = Object.keys(PATHS) as (keyof Draft)[];

/** The field that a path such as `spec.tags[1]` is about. */
export const fieldOf = (path: string): keyof Draft | undefined =>
  FIELDS.find(field =>
    PATHS[field].some(it => it === path.replace(/\[.*$/, '')),
  );

/** What stands between the items of a list. A group's name may have a comma in it. */
const BETWEEN = { tags: ',', groups: '\n' };

const listOf = (text: string, between: string) =>
  text
    .split(between)
    .map(it => it.trim())
    .filter(it => it !== '');

export const newDraft = (name: string): Draft => ({
  name,
  displayName: '',
  description: '',
  version: '',
  tags: '',
  approvalMode: 'manual',
  groups: '',
  ownerKind: '',
  ownerName: '',
  team: '',
  email: '',
  slack: '',
  url: '',
  docsURL: '',
  openAPISpecURL: '',
  gitRepository: '',
  publishStatus: 'Published',
});

export const draftOf = (name: string, spec: ProductSpec): Draft => ({
  name,
  displayName: spec.displayName,
  description: spec.description ?? '',
  version: spec.version ?? '',
  tags: (spec.tags ?? []).join(', '),
  approvalMode: spec.approvalMode,
  groups: (spec.visibility?.groups ?? []).join('\n'),
  ownerKind: spec.owner?.kind ?? '',
  ownerName: spec.owner?.name ?? '',
  team: spec.contact?.team ?? '',
  email: spec.contact?.email ?? '',
  slack: spec.contact?.slack ?? '',
  url: spec.contact?.url ?? '',
  docsURL: spec.documentation?.docsURL ?? '',
  openAPISpecURL: spec.documentation?.openAPISpecURL ?? '',
  gitRepository: spec.documentation?.gitRepository ?? '',
  publishStatus: spec.publishStatus,
});

type Json = { [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Each field's place in a spec. */
const PLACES: { [Field in keyof Draft]?: [string, string?] } = {
  displayName: ['displayName'],
  description: ['description'],
  version: ['version'],
  tags: ['tags'],
  approvalMode: ['approvalMode'],
  groups: ['visibility', 'groups'],
  ownerKind: ['owner', 'kind'],
  ownerName: ['owner', 'name'],
  team: ['contact', 'team'],
  email: ['contact', 'email'],
  slack: ['contact', 'slack'],
  url: ['contact', 'url'],
  docsURL: ['documentation', 'docsURL'],
  openAPISpecURL: ['documentation', 'openAPISpecURL'],
  gitRepository: ['documentation', 'gitRepository'],
  publishStatus: ['publishStatus'],
};

function valueOf(draft: Draft, field: keyof Draft): unknown {
  if (field === 'tags' || field === 'groups') {
    const list = listOf(draft[field], BETWEEN[field]);
    return list.length > 0 ? list : null;
  }
  return draft[field].trim() || null;
}

/** What is otherwise in the one than in the other, as a JSON merge patch of the spec. */
export function patchOf(before: Draft, after: Draft): Json {
  const patch: Json = {};
  for (const field of FIELDS) {
    const place = PLACES[field];
    if (!place || before[field] === after[field]) continue;
    const [outer, inner] = place;
    const value = valueOf(after, field);
    if (JSON.stringify(value) === JSON.stringify(valueOf(before, field))) {
      continue;
    }
    if (inner) {
      const object = isObject(patch[outer]) ? patch[outer] : {};
      patch[outer] = { ...object, [inner]: value };
    } else {
      patch[outer] = value;
    }
  }
  // An owner without a name is none: neither field can be there without the other.
  if ('owner' in patch && !after.ownerKind && !after.ownerName.trim()) {
    patch.owner = null;
  }
  return patch;
}

/** A JSON merge patch (RFC 7386) carried out. */
export function patched(target: Json, patch: Json): Json {
  const result = { ...target };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete result[key];
    } else if (isObject(value)) {
      const inner = result[key];
      result[key] = patched(isObject(inner) ? inner : {}, value);
    } else {
      result[key] = value;
    }
  }
  return result;
}

/** The product to make on a route. */
export function productOf(
  draft: Draft,
  route: { namespace: string; name: string },
): NewProduct {
  const blank = newDraft('');
  const base: NewProduct['spec'] = {
    displayName: draft.displayName.trim(),
    approvalMode: draft.approvalMode,
    publishStatus: draft.publishStatus,
    targetRef: {
      group: 'gateway.networking.k8s.io',
      kind: 'HTTPRoute',
      name: route.name,
    },
  };
  return {
    namespace: route.namespace,
    name: draft.name.trim(),
    spec: patched(base, patchOf(blank, draft)) as NewProduct['spec'],
  };
}

/** What was typed, on top of what somebody else has written meanwhile. */
export function merged(base: Draft, typed: Draft, now: Draft): Draft {
  const result = { ...now };
  for (const field of FIELDS) {
    if (typed[field] !== base[field]) {
      Object.assign(result, { [field]: typed[field] });
    }
  }
  return result;
}
