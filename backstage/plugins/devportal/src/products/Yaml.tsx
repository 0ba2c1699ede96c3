/* A document to read and to copy. */
import { Card, CardBody, CardHeader, Flex, Text } from '@backstage/ui';
import { Copy, useWords } from '../shown';
import css from './products.module.css';

export function Yaml({ text, note }: { text: string; note: string }) {
  const t = useWords();
  return (
    <Card className={css.yaml}>
      <CardHeader>
        <Flex justify="between" align="center" gap="3">
          <div>
            <Text as="h2" variant="title-x-small" weight="bold">
              {t('products.form.yaml')}
            </Text>
            <Text as="p" variant="body-small" color="secondary">
              {note}
            </Text>
          </div>
          <Copy text={text} />
        </Flex>
      </CardHeader>
      <CardBody>
        {/* It scrolls, so the keyboard has to reach it. */}
        <pre
          className={css.code}
          // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          role="region"
          aria-label={t('products.form.yaml')}
        >
          {text}
        </pre>
      </CardBody>
    </Card>
  );
}
