/* How somebody shows the API who they are, for each rule that they can satisfy. */
import { Flex, Text } from '@backstage/ui';
import type {
  AuthenticationRule,
  Credentials,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import {
  canBeSent,
  clientCredentials,
  curl,
  addressOf,
} from '../keys/snippets';
import { Code, Facts, Mono, Outside, useWords } from '../shown';
import type { Words } from '../shown';

export function Authenticate({ of: product }: { of: Product }) {
  const t = useWords();
  const rules = Object.entries(product.authScheme?.authentication ?? {});
  if (rules.length === 0) {
    return <Text color="secondary">{t('catalog.authenticateNone')}</Text>;
  }
  return (
    <Flex direction="column" gap="6">
      {rules.map(([name, rule]) => (
        <Rule key={name} name={name} rule={rule} product={product} />
      ))}
    </Flex>
  );
}

function Rule({
  name,
  rule,
  product,
}: {
  name: string;
  rule: AuthenticationRule;
  product: Product;
}) {
  const t = useWords();
  const { tokenEndpoint, url } = product;
  const { jwt, credentials } = rule;
  const target = url && { url: addressOf(url), credentials };
  const isSendable = target && canBeSent(target);
  return (
    <Flex direction="column" gap="3">
      <Text as="h3" weight="bold">
        {t(jwt ? 'catalog.place.jwt' : 'catalog.place.key')}{' '}
        <Text as="span" color="secondary">
          <Mono>{name}</Mono>
        </Text>
      </Text>
      <Text>{placeInWords(credentials, t)}</Text>
      {jwt && (
        <Facts
          facts={[
            [
              t('catalog.place.issuer'),
              jwt.issuerUrl && <Outside href={jwt.issuerUrl} />,
            ],
            [
              t('catalog.place.tokenEndpoint'),
              tokenEndpoint && <Mono>{tokenEndpoint}</Mono>,
            ],
          ]}
        />
      )}
      {isSendable && !jwt && (
        <Code code={curl(target)} label={t('catalog.place.example')} />
      )}
      {isSendable && jwt && tokenEndpoint && (
        <Code
          code={clientCredentials(tokenEndpoint, target)}
          label={t('catalog.place.jwtExample')}
        />
      )}
    </Flex>
  );
}

function placeInWords(credentials: Credentials | null | undefined, t: Words) {
  const { authorizationHeader, customHeader, queryString, cookie } =
    credentials ?? {};
  const name = (text: string) => <Mono>{text}</Mono>;
  if (customHeader) {
    return t('catalog.place.header', { name: name(customHeader.name) });
  }
  if (queryString) {
    return t('catalog.place.query', { name: name(queryString.name) });
  }
  if (cookie) {
    return t('catalog.place.cookie', { name: name(cookie.name) });
  }
  return t('catalog.place.authorization', {
    prefix: name(authorizationHeader?.prefix || 'Bearer'),
  });
}
