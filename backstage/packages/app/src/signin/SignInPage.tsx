/* Offers the people of the demo. It is for development, and no authentication. */
import { useState } from 'react';
import { ProxiedSignInPage } from '@backstage/core-components';
import {
  configApiRef,
  useApi,
  useTranslationRef,
} from '@backstage/frontend-plugin-api';
import type { SignInPageProps } from '@backstage/plugin-app-react';
import { Alert, Button, Text } from '@backstage/ui';
import { appTranslationRef } from '../messages';
import { HEADER, forget, forgetting, keep, kept } from './person';
import css from './SignInPage.module.css';

type Person = {
  ref: string;
  title: string;
  role?: string;
  description?: string;
};

const initials = (name: string) =>
  name
    .split(' ')
    .map(it => it[0])
    .slice(0, 2)
    .join('');

export function SignInPage({ onSignInSuccess }: SignInPageProps) {
  const { t } = useTranslationRef(appTranslationRef);
  const config = useApi(configApiRef);
  const [ref, setRef] = useState(kept);
  const people =
    config.getOptional<Person[]>('auth.providers.demo.users') ?? [];
  if (ref === undefined) {
    return (
      <People
        of={people}
        title={config.getOptionalString('app.title') ?? t('signIn.title')}
        onChoose={chosen => {
          keep(chosen);
          setRef(chosen);
        }}
      />
    );
  }
  const Failed = ({ error }: { error?: Error }) => (
    <main className={css.page}>
      <div className={css.box}>
        <Alert
          status="danger"
          icon
          role="alert"
          title={t('signIn.failed')}
          description={error?.message}
          customActions={
            <Button
              size="small"
              variant="secondary"
              onPress={() => {
                forget();
                setRef(undefined);
              }}
            >
              {t('signIn.another')}
            </Button>
          }
        />
      </div>
    </main>
  );
  return (
    <ProxiedSignInPage
      provider="demo"
      headers={{ [HEADER]: ref }}
      ErrorComponent={Failed}
      onSignInSuccess={identity => onSignInSuccess(forgetting(identity))}
    />
  );
}

function People({
  of: people,
  title,
  onChoose,
}: {
  of: Person[];
  title: string;
  onChoose: (ref: string) => void;
}) {
  const { t } = useTranslationRef(appTranslationRef);
  return (
    <main className={css.page}>
      <div className={css.box}>
        <img src="favicon.svg" alt="" width={40} height={40} />
        <Text as="h1" variant="title-medium" weight="bold">
          {title}
        </Text>
        <Text color="secondary">{t('signIn.choose')}</Text>
        <Alert status="warning" icon title={t('signIn.warning')} />
        {people.length === 0 && <Text>{t('signIn.nobody')}</Text>}
        <ul className={css.people}>
          {people.map(it => (
            <li key={it.ref}>
              <button
                type="button"
                className={css.person}
                onClick={() => onChoose(it.ref)}
              >
                <span className={css.initials} aria-hidden="true">
                  {initials(it.title)}
                </span>
                <span className={css.who}>
                  <strong>{it.title}</strong>
                  <span>{it.role}</span>
                  {it.description && <small>{it.description}</small>}
                </span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </main>
  );
}
