/* What the owner wrote about a product. */
import { Badge, Flex, Link, Text } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { Email, Facts, Name, Quoted, Section, When, useWords } from '../shown';
import type { Fact } from '../shown';

/** A link that somebody else wrote: only to pages, and without telling where from. */
function Outside({ href, label }: { href: string; label: string }) {
  return /^https?:\/\//i.test(href) ? (
    <Link href={href} target="_blank" rel="noopener noreferrer">
      <Name>{label}</Name>
    </Link>
  ) : (
    <Name>{href}</Name>
  );
}

export function Overview({ product }: { product: Product }) {
  const t = useWords();
  const { spec } = product;
  const { contact, documentation: docs, owner } = spec;
  const groups = spec.visibility?.groups ?? [];
  const contacts: (string | null | undefined)[] = [
    contact?.team,
    contact?.slack,
  ];
  const pages: [string, string | null | undefined][] = [
    [t('products.detail.docs'), docs?.docsURL],
    [t('products.detail.openapi'), docs?.openAPISpecURL],
    [t('products.detail.git'), docs?.gitRepository],
    [t('products.detail.swagger'), docs?.swaggerUI],
  ];
  const facts: Fact[] = [
    [
      t('products.detail.description'),
      spec.description && <Quoted text={spec.description} />,
    ],
    [t('products.detail.version'), spec.version && <Name>{spec.version}</Name>],
    [
      t('products.detail.tags'),
      (spec.tags ?? []).length > 0 && (
        <Flex gap="2" style={{ flexWrap: 'wrap' }}>
          {spec.tags?.map(it => (
            <Badge key={it} size="small">
              <Name>{it}</Name>
            </Badge>
          ))}
        </Flex>
      ),
    ],
    [
      t('products.detail.owner'),
      owner && (
        <>
          <Name>{owner.name}</Name>{' '}
          <Text variant="body-small" color="secondary">
            {t(`products.form.${owner.kind}`)}
          </Text>
        </>
      ),
    ],
    [
      t('products.detail.approval'),
      t(`products.approval.${spec.approvalMode}`),
    ],
    [
      t('products.detail.visibility'),
      groups.length > 0 ? (
        // Not with commas between: there may be some in a name.
        <Flex direction="column" gap="1">
          {groups.map(it => (
            <Name key={it}>{it}</Name>
          ))}
        </Flex>
      ) : (
        t('products.detail.everyone')
      ),
    ],
    [
      t('products.detail.contact'),
      contact && (
        <Flex direction="column" gap="1">
          {contacts.map(it => it && <Name key={it}>{it}</Name>)}
          {contact.email && <Email address={contact.email} />}
          {contact.url && <Outside href={contact.url} label={contact.url} />}
        </Flex>
      ),
    ],
    [
      t('products.detail.documentation'),
      pages.some(([, href]) => href) && (
        <Flex direction="column" gap="1">
          {pages.map(
            ([label, href]) =>
              href && <Outside key={label} href={href} label={label} />,
          )}
        </Flex>
      ),
    ],
    [t('products.detail.route'), <Name>{spec.targetRef.name}</Name>],
    [t('products.detail.created'), <When at={product.created} />],
  ];
  return (
    <Section title={t('products.detail.overview')}>
      <Facts facts={facts} />
    </Section>
  );
}
