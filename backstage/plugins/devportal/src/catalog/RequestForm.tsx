/* Asks for access: which plan, what for, and where the key belongs. */
import {
  Alert,
  Dialog,
  DialogBody,
  DialogHeader,
  Flex,
  Select,
  Text,
} from '@backstage/ui';
import type {
  Key,
  Myself,
  NewKey,
  Product,
} from '@devportal/backstage-plugin-devportal-common';
import { dataOf, useMe, useWrite } from '../portal';
import type { PortalError } from '../portal';
import {
  Copy,
  Field,
  Loaded,
  Question,
  Quoted,
  TypedBefore,
  newOnceKey,
  pathOf,
  useTyped,
  useWords,
  wrongWith,
} from '../shown';
import { PlanChoice } from './Plans';
import { whoDecides } from './whoDecides';

type Props = {
  product: Product;
  onMade: (key: Key) => void;
  onClose: () => void;
};

export function RequestForm(props: Props) {
  // The rights may be other ones since it was asked last.
  const me = useMe({ refetchOnMount: 'always' });
  return me.data && me.data.requestIn.length > 0 ? (
    <Form {...props} me={me.data} />
  ) : (
    <Nowhere me={me} onClose={props.onClose} />
  );
}

type Draft = {
  tier: string;
  useCase: string;
  namespace: string;
  email: string;
  /** One for each form: sent again, it makes nothing more. */
  once: string;
  /** Nobody knows whether it was done. */
  isSent: boolean;
};

/** Fields whose causes stand at them. */
const FIELDS = ['useCase', 'spec.useCase', 'email', 'spec.requestedBy.email'];

function Form({ product, me, onMade, onClose }: Props & { me: Myself }) {
  const t = useWords();
  const { plans, spec } = product;
  const { typed, type, set, discard, isBefore } = useTyped<Draft>(
    `request form ${pathOf(product)}`,
    () => ({
      tier: plans[0]?.tier ?? '',
      useCase: '',
      namespace: me.requestIn[0],
      email: '',
      once: newOnceKey(),
      isSent: false,
    }),
  );
  const { useCase, email, once, isSent } = typed;
  // What was chosen before may have been taken away since.
  const tier = plans.some(it => it.tier === typed.tier) ? typed.tier : '';
  const namespace = me.requestIn.includes(typed.namespace)
    ? typed.namespace
    : me.requestIn[0];
  const change = (changes: Partial<Draft>) =>
    type(before => ({ ...before, ...changes }));
  const write = useWrite(
    (client, body: NewKey) =>
      dataOf(
        client.POST('/v1/keys', {
          params: { header: { 'Idempotency-Key': once } },
          body,
        }),
      ),
    'keys',
    'products',
  );
  const refused = ({ isUnknown, isUsed }: PortalError) => {
    if (isUnknown) return;
    set(before => ({
      ...before,
      // What was sent before may have been done all the same.
      isSent: isSent && !isUsed,
      once: isUsed ? newOnceKey() : before.once,
    }));
  };
  const send = () => {
    change({ isSent: true });
    const body = {
      namespace,
      planTier: tier,
      product: { namespace: product.namespace, name: product.name },
      useCase: useCase.trim() || undefined,
      email: email.trim() || undefined,
    };
    // Also who has left meanwhile is to find it done.
    void write.mutateAsync(body).then(key => {
      discard();
      onMade(key);
    }, refused);
  };
  const cancel = () => {
    if (!isSent) discard();
    onClose();
  };
  return (
    <Question
      title={t('catalog.form.title')}
      action={t('catalog.form.action')}
      isPending={write.isPending}
      isReady={tier !== ''}
      error={write.error}
      fields={FIELDS}
      onConfirm={send}
      onClose={onClose}
      onCancel={cancel}
    >
      {(isBefore || isSent) && !write.isPending && !write.error && (
        <TypedBefore isSent={isSent} onDiscard={discard} />
      )}
      <PlanChoice
        of={plans}
        value={tier}
        onChange={it => change({ tier: it })}
      />
      <Field
        isLong
        label={t('catalog.form.useCase')}
        description={t('catalog.form.useCaseAbout')}
        value={useCase}
        onChange={it => change({ useCase: it })}
        wrong={wrongWith(write.error, 'useCase')}
      />
      {me.requestIn.length > 1 && (
        <Select
          label={t('catalog.form.namespace')}
          description={t('catalog.form.namespaceAbout')}
          options={me.requestIn.map(it => ({ value: it, label: it }))}
          value={namespace}
          onChange={it => it && change({ namespace: String(it) })}
        />
      )}
      {!me.email && (
        <Field
          type="email"
          label={t('catalog.form.email')}
          description={t('catalog.form.emailAbout')}
          value={email}
          onChange={it => change({ email: it })}
          wrong={
            wrongWith(write.error, 'email') ??
            wrongWith(write.error, 'requestedBy.email')
          }
        />
      )}
      <Alert
        status="info"
        icon
        title={
          spec.approvalMode === 'automatic'
            ? t('catalog.form.atOnce')
            : t('catalog.form.decided', { who: whoDecides(spec, t) })
        }
      />
    </Question>
  );
}

function Nowhere({
  me,
  onClose,
}: {
  me: ReturnType<typeof useMe>;
  onClose: () => void;
}) {
  const t = useWords();
  return (
    <Dialog isOpen width={560} onOpenChange={isOpen => !isOpen && onClose()}>
      <DialogHeader>{t('catalog.form.title')}</DialogHeader>
      <DialogBody>
        <Loaded query={me}>
          {({ advice }) => (
            <Flex direction="column" gap="3" align="start">
              <Text as="h3" weight="bold">
                {t('catalog.form.nowhere')}
              </Text>
              {advice && (
                <>
                  <Quoted text={advice} />
                  <Copy text={advice} label={t('catalog.form.nowhereCopy')} />
                </>
              )}
            </Flex>
          )}
        </Loaded>
      </DialogBody>
    </Dialog>
  );
}
