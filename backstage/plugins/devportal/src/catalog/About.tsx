/* What a product is, where it is reached, and whom to ask. */
import { Flex } from '@backstage/ui';
import type { Product } from '@devportal/backstage-plugin-devportal-common';
import { Email, Facts, Mono, Name, Outside, Quoted, useWords } from '../shown';
import { takesOnlyTokens } from './takesOnlyTokens';
import { whoDecides } from './whoDecides';

export function About({ of: product }: { of: Product }) {
  const t = useWords();
  const { spec, hostnames } = product;
  const { contact, documentation, owner } = spec;
  const link = (href?: string | null) => href && <Outside href={href} />;
  return (
    <Flex direction="column" gap="4">
      {spec.description && <Quoted text={spec.description} />}
      <Facts
        facts={[
          [
            t('catalog.about.hosts'),
            hostnames.length > 0 ? (
              <Flex direction="column" gap="1">
                {hostnames.map(it => (
                  <Mono key={it}>{it}</Mono>
                ))}
              </Flex>
            ) : (
              t('catalog.about.noHosts')
            ),
          ],
          [
            t('catalog.about.version'),
            spec.version && <Name>{spec.version}</Name>,
          ],
          [
            t('catalog.about.approval'),
            !takesOnlyTokens(product) &&
              (spec.approvalMode === 'automatic'
                ? t('catalog.atOnce')
                : t('catalog.decides', { who: whoDecides(spec, t) })),
          ],
          [t('catalog.about.owner'), owner && <Name>{owner.name}</Name>],
          [
            t('catalog.about.team'),
            contact?.team && <Name>{contact.team}</Name>,
          ],
          [
            t('catalog.about.email'),
            contact?.email && <Email address={contact.email} />,
          ],
          [
            t('catalog.about.slack'),
            contact?.slack && <Name>{contact.slack}</Name>,
          ],
          [t('catalog.about.page'), link(contact?.url)],
          [t('catalog.about.docs'), link(documentation?.docsURL)],
          [t('catalog.about.swagger'), link(documentation?.swaggerUI)],
          [t('catalog.about.openapi'), link(documentation?.openAPISpecURL)],
          [t('catalog.about.git'), link(documentation?.gitRepository)],
        ]}
      />
    </Flex>
  );
}
