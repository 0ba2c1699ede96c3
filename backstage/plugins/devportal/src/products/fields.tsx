/* The fields of a product, in groups. */
import type { ReactNode } from 'react';
import { Flex, Radio, RadioGroup, Select } from '@backstage/ui';
import { Field, useWords } from '../shown';
import type { Draft } from './draft';
import css from './products.module.css';

export type FieldsProps = {
  draft: Draft;
  /** What is wrong, by field. */
  wrongs: Partial<Record<keyof Draft, string>>;
  onChange: (changes: Partial<Draft>) => void;
  /** Whether its name can still be chosen. */
  isNew: boolean;
};

type Texts = Exclude<
  keyof Draft,
  'approvalMode' | 'publishStatus' | 'ownerKind'
>;

function Section({ title, children }: { title: string; children: ReactNode }) {
  return (
    <fieldset className={css.section}>
      <legend>{title}</legend>
      <Flex direction="column" gap="4">
        {children}
      </Flex>
    </fieldset>
  );
}

/** The properties of a field of text. */
const useText = ({ draft, wrongs, onChange }: FieldsProps) => {
  const t = useWords();
  return (field: Exclude<Texts, 'ownerName'>) => ({
    label: t(`products.form.${field}`),
    value: draft[field],
    wrong: wrongs[field],
    onChange: (value: string) => onChange({ [field]: value }),
  });
};

export function About(props: FieldsProps) {
  const t = useWords();
  const text = useText(props);
  return (
    <Section title={t('products.form.about')}>
      <Field {...text('displayName')} isRequired />
      {props.isNew && (
        <Field
          {...text('name')}
          isRequired
          description={t('products.form.nameNote')}
        />
      )}
      <Field {...text('description')} isLong />
      <div className={css.pair}>
        <Field {...text('version')} placeholder="v1" />
        <Field {...text('tags')} description={t('products.form.tagsNote')} />
      </div>
    </Section>
  );
}

export function Who(props: FieldsProps) {
  const t = useWords();
  const text = useText(props);
  const { draft, wrongs, onChange } = props;
  return (
    <Section title={t('products.form.who')}>
      <RadioGroup
        label={t('products.form.approvalMode')}
        value={draft.approvalMode}
        validationBehavior="aria"
        isInvalid={wrongs.approvalMode !== undefined}
        description={wrongs.approvalMode}
        onChange={it => onChange({ approvalMode: it as Draft['approvalMode'] })}
      >
        <Radio value="manual">{t('products.form.manual')}</Radio>
        <Radio value="automatic">{t('products.form.automatic')}</Radio>
      </RadioGroup>
      <Field
        {...text('groups')}
        isLong
        description={t('products.form.groupsNote')}
      />
    </Section>
  );
}

export function Owner({ draft, wrongs, onChange }: FieldsProps) {
  const t = useWords();
  return (
    <div className={css.pair}>
      <Select
        label={t('products.form.ownerKind')}
        size="small"
        options={[
          { value: 'none', label: t('products.form.noOwner') },
          { value: 'Group', label: t('products.form.Group') },
          { value: 'User', label: t('products.form.User') },
        ]}
        value={draft.ownerKind || 'none'}
        validationBehavior="aria"
        validate={() => wrongs.ownerKind}
        onChange={it =>
          onChange({ ownerKind: it === 'Group' || it === 'User' ? it : '' })
        }
      />
      <Field
        label={t('products.form.owner')}
        value={draft.ownerName}
        wrong={wrongs.ownerName}
        onChange={ownerName => onChange({ ownerName })}
      />
    </div>
  );
}

export function Contact(props: FieldsProps) {
  const t = useWords();
  const text = useText(props);
  return (
    <Section title={t('products.form.contact')}>
      <div className={css.pair}>
        <Field {...text('team')} />
        <Field {...text('email')} type="email" />
        <Field {...text('slack')} placeholder="#my-team" />
        <Field {...text('url')} type="url" placeholder="https://" />
      </div>
    </Section>
  );
}

export function Documentation(props: FieldsProps) {
  const t = useWords();
  const text = useText(props);
  return (
    <Section title={t('products.form.docs')}>
      <Field
        {...text('openAPISpecURL')}
        type="url"
        placeholder="https://"
        description={t('products.form.openAPINote')}
      />
      <div className={css.pair}>
        <Field {...text('docsURL')} type="url" placeholder="https://" />
        <Field {...text('gitRepository')} type="url" placeholder="https://" />
      </div>
    </Section>
  );
}

export function When({ draft, wrongs, onChange }: FieldsProps) {
  const t = useWords();
  return (
    <RadioGroup
      label={t('products.form.publishStatus')}
      value={draft.publishStatus}
      validationBehavior="aria"
      isInvalid={wrongs.publishStatus !== undefined}
      description={wrongs.publishStatus}
      onChange={it => onChange({ publishStatus: it as Draft['publishStatus'] })}
    >
      <Radio value="Published">{t('products.form.Published')}</Radio>
      <Radio value="Draft">{t('products.form.Draft')}</Radio>
    </RadioGroup>
  );
}
