/* How it came to stand so: each finding of the controller, the newest first. */
import { Card, CardBody, CardHeader, Flex, Text } from '@backstage/ui';
import type { Finding } from '@devportal/backstage-plugin-devportal-common';
import { Quoted, When, useWords } from '../shown';

export function History({ conditions }: { conditions: Finding[] }) {
  const t = useWords();
  if (conditions.length === 0) {
    return null;
  }
  const newest = [...conditions].sort((a, b) => b.since.localeCompare(a.since));
  return (
    <Card>
      <CardHeader>
        <Text as="h2" variant="title-x-small" weight="bold">
          {t('requests.facts.history')}
        </Text>
      </CardHeader>
      <CardBody>
        <Flex direction="column" gap="4">
          {newest.map(it => (
            <div key={it.kind}>
              <Flex justify="between" gap="3" align="baseline">
                <Text weight="bold">{it.reason}</Text>
                <Text variant="body-small" color="secondary">
                  <When at={it.since} />
                </Text>
              </Flex>
              {it.message && <Quoted text={it.message} />}
            </div>
          ))}
        </Flex>
      </CardBody>
    </Card>
  );
}
