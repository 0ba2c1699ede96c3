/* A route, and what a product on it would find. */
import type { ReactNode } from 'react';
import { Badge, Card, CardBody, CardHeader, Flex, Text } from '@backstage/ui';
import { RiAlertLine, RiCheckLine, RiCloseLine } from '@remixicon/react';
import type {
  Policy,
  RouteRow,
} from '@devportal/backstage-plugin-devportal-common';
import { Facts, Name, To, pathOf, useLinks, useWords } from '../shown';
import { Plans } from './Plans';

export function RouteCard({
  route,
  action,
}: {
  route: RouteRow;
  action: ReactNode;
}) {
  const t = useWords();
  const links = useLinks();
  return (
    <Card>
      <CardHeader>
        <Flex
          justify="between"
          align="start"
          gap="3"
          style={{ flexWrap: 'wrap' }}
        >
          <div>
            <Text as="h3" variant="title-x-small" weight="bold">
              <Name>{route.name}</Name>
            </Text>
            <Text as="p" variant="body-small" color="secondary">
              <Name>{route.namespace}</Name>
            </Text>
          </div>
          {action}
        </Flex>
      </CardHeader>
      <CardBody>
        <Flex direction="column" gap="4">
          <Flex gap="2" style={{ flexWrap: 'wrap' }}>
            <Holds
              holds={route.accepted}
              yes={t('products.routes.accepted')}
              no={t('products.routes.notAccepted')}
            />
            <Holds
              holds={route.exposed}
              yes={t('products.routes.exposed')}
              no={t('products.routes.notExposed')}
            />
          </Flex>
          <Facts
            facts={[
              [t('products.routes.hostnames'), route.hostnames.join(', ')],
              [t('products.routes.auth'), <Found policy={route.authPolicy} />],
              [t('products.routes.plan'), <Found policy={route.planPolicy} />],
              [
                t('products.routes.plans'),
                route.plans.length > 0 && <Plans plans={route.plans} />,
              ],
              [
                t('products.routes.products'),
                route.products.length === 0
                  ? t('products.routes.none')
                  : route.products.map((it, at) => (
                      <span key={pathOf(it)}>
                        {at > 0 && ', '}
                        <To href={links.product(it)}>{it.name}</To>
                      </span>
                    )),
              ],
            ]}
          />
        </Flex>
      </CardBody>
    </Card>
  );
}

function Holds({
  holds,
  yes,
  no,
}: {
  holds: boolean;
  yes: string;
  no: string;
}) {
  return (
    <Badge
      size="small"
      icon={
        holds ? (
          <RiCheckLine style={{ color: 'var(--bui-fg-positive)' }} />
        ) : (
          <RiCloseLine style={{ color: 'var(--bui-fg-warning)' }} />
        )
      }
    >
      {holds ? yes : no}
    </Badge>
  );
}

/** A policy that was found, and on what; or why there is none, in the server's words. */
export function Found({ policy }: { policy: Policy }) {
  const t = useWords();
  if (policy.found && policy.name) {
    const name = <Name>{pathOf(policy.name)}</Name>;
    return (
      <>
        {policy.on ? t('products.routes.on', { name, kind: policy.on }) : name}
      </>
    );
  }
  return (
    <Flex align="start" gap="1">
      <RiAlertLine
        size={18}
        aria-hidden="true"
        style={{ color: 'var(--bui-fg-warning)', flex: 'none' }}
      />
      <span>
        {policy.name && (
          <>
            <Name>{pathOf(policy.name)}</Name>
            {': '}
          </>
        )}
        <bdi>{policy.message ?? t('products.routes.missing')}</bdi>
      </span>
    </Flex>
  );
}
