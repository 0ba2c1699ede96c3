/* Who is signed in, and the way out. */
import { useEffect, useState } from 'react';
import {
  identityApiRef,
  useApi,
  useTranslationRef,
} from '@backstage/frontend-plugin-api';
import { Button, Text } from '@backstage/ui';
import { RiLogoutBoxRLine } from '@remixicon/react';
import { appTranslationRef } from '../messages';
import css from './Nav.module.css';

export function Person() {
  const { t } = useTranslationRef(appTranslationRef);
  const identity = useApi(identityApiRef);
  const [name, setName] = useState<string>();
  useEffect(() => {
    let isShown = true;
    void Promise.all([
      identity.getProfileInfo(),
      identity.getBackstageIdentity(),
    ]).then(([profile, { userEntityRef }]) => {
      if (isShown) {
        setName(profile.displayName ?? userEntityRef.split('/').pop());
      }
    });
    return () => {
      isShown = false;
    };
  }, [identity]);
  return (
    <div className={css.person}>
      {name && (
        <Text variant="body-small" color="secondary">
          {name}
        </Text>
      )}
      <Button
        size="small"
        variant="tertiary"
        iconStart={<RiLogoutBoxRLine />}
        onPress={() => void identity.signOut()}
      >
        {t('nav.signOut')}
      </Button>
    </div>
  );
}
