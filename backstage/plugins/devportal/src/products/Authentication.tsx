/* How consumers authenticate, as it was found around the route. */
import type {
  AuthenticationRule,
  Credentials,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { Facts, Name, useWords } from '../shown';
import type { Fact } from '../shown';
import type { Words } from '../shown';
import { Nothing } from './Nothing';

function placeOf(credentials: Credentials | null | undefined, t: Words) {
  const { authorizationHeader, customHeader, queryString, cookie } =
    credentials ?? {};
  if (authorizationHeader) {
    const prefix = authorizationHeader.prefix || 'Bearer';
    return t('products.auth.header', { prefix });
  }
  if (customHeader) {
    return t('products.auth.custom', { name: customHeader.name });
  }
  if (queryString) return t('products.auth.query', { name: queryString.name });
  if (cookie) return t('products.auth.cookie', { name: cookie.name });
  return t('products.auth.bearer');
}

function factsOf(rule: AuthenticationRule, t: Words): Fact[] {
  const facts: Fact[] = [];
  const place = placeOf(rule.credentials, t);
  if (rule.apiKey) facts.push([t('products.detail.apiKey'), place]);
  if (rule.jwt) {
    facts.push([t('products.detail.jwt'), place]);
    facts.push([
      t('products.detail.issuer'),
      rule.jwt.issuerUrl && <Name>{rule.jwt.issuerUrl}</Name>,
    ]);
  }
  return facts;
}

export function Authentication({ product }: { product: Product }) {
  const t = useWords();
  const rules = Object.values(product.authScheme?.authentication ?? {});
  if (rules.length === 0) {
    return (
      <Nothing
        what={t('products.detail.noAuth')}
        next={t('products.detail.noAuthNext')}
      />
    );
  }
  return (
    <>
      {rules.map((rule, at) => (
        <Facts key={at} facts={factsOf(rule, t)} />
      ))}
      <Facts
        facts={[
          [
            t('products.detail.tokenEndpoint'),
            product.tokenEndpoint && <Name>{product.tokenEndpoint}</Name>,
          ],
        ]}
      />
    </>
  );
}
