//! What depends on Secrets? Of their values only fingerprints are known.

use std::collections::BTreeMap;
use std::sync::Arc;

use devportal_api::id::{KeyId, ProductId, SecretId};
use devportal_api::name::{annotation, label};
use devportal_mirror::{Copied, Credential, Difference, Fingerprint, SecretFacts, Stray, Version};

use super::{Dirty, World};
use crate::change::Source;
use crate::decision::Id;
use crate::discover;

impl World {
    pub(super) fn credential_changed(
        &mut self,
        difference: Difference<Credential>,
        dirty: &mut Dirty,
    ) {
        let Difference { id, old, new } = difference;
        self.unmanaged_changed(&id, old.as_ref(), dirty);
        self.secret_changed(&id, old.as_ref(), new.as_ref(), dirty);
    }

    /// A Secret that has lost our label. Those that note no key are none of ours.
    pub(super) fn stray_changed(&mut self, difference: Difference<Stray>, dirty: &mut Dirty) {
        let Difference { id, old, new } = difference;
        self.unmanaged_changed(&id, old.as_ref(), dirty);
        let is_ours = |it: &&SecretFacts| it.is_stray();
        let (old, new) = (old.as_ref().filter(is_ours), new.as_ref().filter(is_ours));
        if old.is_some() || new.is_some() {
            self.secret_changed(&id, old, new, dirty);
        }
    }

    fn secret_changed(
        &mut self,
        id: &SecretId,
        old: Option<&SecretFacts>,
        new: Option<&SecretFacts>,
        dirty: &mut Dirty,
    ) {
        let keys = old.into_iter().chain(new).filter_map(key_of);
        dirty.extend(keys.map(Id::Key));
        if let Some(facts) = new.filter(|it| old.is_none_or(|old| old.labels != it.labels)) {
            self.note_marks(facts, dirty);
        }
        // With the label or without: what one watch says is gone another may show.
        let stands = self.credentials.find(id).or_else(|| self.find_stray(id));
        let key = stands.and_then(key_of);
        self.secrets_by_key.set(id, key);
        let value = self.credentials.find(id).and_then(SecretFacts::fingerprint);
        let before: Vec<_> = self.credentials_by_value.targets(id).copied().collect();
        if before != Vec::from_iter(value) {
            self.credentials_by_value.set(id, value);
            let key = old.and_then(key_of);
            self.value_changed_hands(key.as_ref(), &before, value);
            for value in before.into_iter().chain(value) {
                self.dirty_keys_with(value, dirty);
            }
        } else if let Some(value) = value
            && self.credentials_by_value.referrers(&value).nth(1).is_some()
        {
            // Which of them is the newest may have changed.
            self.dirty_keys_with(value, dirty);
        }
    }

    /// Notes how a credential of a product is labelled, where the product does not tell which
    /// rule its keys are made for: the credential does.
    fn note_marks(&mut self, credential: &SecretFacts, dirty: &mut Dirty) {
        let Some(id) = product_of(credential) else {
            return;
        };
        let product = self.products.find(&id);
        if product.is_some_and(|it| discover::used_rule(it).is_some()) {
            return;
        }
        // Once is enough: of several rules that keys were made for any is one.
        if !self.marked.contains_key(&id) {
            self.marked.insert(id.clone(), labels_of(credential));
            self.rediscover(&id, dirty);
        }
    }

    /// Of a product that tells its rule, or that is gone and its keys with it, nothing else
    /// needs to be known.
    pub(super) fn forget_marks(&mut self, product: &ProductId) {
        let needs_it = match self.products.find(product) {
            Some(found) => discover::used_rule(found).is_none(),
            None => self.keys_by_product.referrers(product).next().is_some(),
        };
        if !needs_it {
            self.marked.remove(product);
            self.former_rules.remove(product);
        }
    }

    /// Of a product without keys nobody needs to know with whom it had some in common.
    pub(super) fn forget_sharing(&mut self, product: &ProductId) {
        if self.keys_by_product.referrers(product).next().is_none() {
            self.sharing.forget(product);
        }
    }

    /// Notes who had a value that nobody has any more.
    fn value_changed_hands(
        &mut self,
        before: Option<&KeyId>,
        had: &[Fingerprint],
        has: Option<Fingerprint>,
    ) {
        let is_free = |it: &&Fingerprint| self.credentials_by_value.referrers(it).next().is_none();
        if let Some(key) = before.filter(|it| self.keys.find(it).is_some())
            && let Some(value) = had.iter().find(is_free)
        {
            self.had.set(key, [*value]);
        }
        if let Some(value) = has {
            let before: Vec<_> = self.had.referrers(&value).cloned().collect();
            for key in before {
                self.had.set(&key, []);
            }
        }
    }

    /// Whoever waits for the value that a key had looks again whether it comes back.
    pub(super) fn dirty_heirs_of(&self, key: &KeyId, dirty: &mut Dirty) {
        for value in self.had.targets(key) {
            self.dirty_keys_with(*value, dirty);
        }
    }

    /// Of keys with one value one counts, and which may be another now.
    fn dirty_keys_with(&self, value: Fingerprint, dirty: &mut Dirty) {
        let credentials = self.credentials_by_value.referrers(&value);
        let keys = credentials.flat_map(|id| self.secrets_by_key.targets(id));
        dirty.extend(keys.cloned().map(Id::Key));
        let sources = self.sources_by_value.referrers(&value);
        let keys = sources.flat_map(|id| self.keys_by_source.referrers(id));
        dirty.extend(keys.cloned().map(Id::Key));
    }

    /// The Secrets that the gateway reads with a value.
    pub(crate) fn credentials_with(&self, value: &Fingerprint) -> impl Iterator<Item = Holder<'_>> {
        let credentials = self.credentials_by_value.referrers(value);
        credentials.filter_map(|id| {
            let facts = self.credentials.find(id)?;
            Some(Holder {
                key: key_of(facts)?,
                product: product_of(facts)?,
                facts,
            })
        })
    }

    fn find_stray(&self, id: &SecretId) -> Option<&SecretFacts> {
        self.strays.find(id).filter(|it| it.is_stray())
    }

    /// Notes which value a source has, for whoever waits for it. That a generated value is in
    /// use elsewhere is the other's concern, unless somebody brings it.
    pub(super) fn note_value(&mut self, id: &SecretId) {
        let is_brought = |key: &KeyId| self.find_key(key).is_some_and(|it| !it.is_generated());
        let value = match self.find_source(id) {
            Some(Source::Is(facts)) => {
                let is_generated = facts.annotations.has(annotation::DIGEST);
                let value = facts.fingerprint();
                value.filter(|_| !is_generated || self.keys_by_source.referrers(id).any(is_brought))
            }
            _ => None,
        };
        self.sources_by_value.set(id, value);
    }

    pub(super) fn source_changed(&mut self, id: &SecretId, new: Source, dirty: &mut Dirty) {
        if let Source::Forbidden = new
            && let Some(Source::Is(_) | Source::Gone(_)) = self.find_source(id)
        {
            // What was read before the right was lost still stands, and its keys say so.
            if self.lost_sources.insert(id.clone()) {
                dirty.extend(self.keys_by_source.referrers(id).cloned().map(Id::Key));
            }
            return;
        }
        let is_regained = self.lost_sources.remove(id);
        let old = self.find_source(id);
        let is_news = is_regained
            || match (old, &new) {
                (Some(Source::Is(old)), Source::Is(new)) => {
                    new.version > old.version || new.version.0 == 0
                }
                // The end of a predecessor may be told after its successor.
                (Some(Source::Is(old)), Source::Gone(Some(uid))) => *old.uid == **uid,
                (Some(Source::Gone(_)), Source::Gone(_)) | (Some(_), Source::Forbidden) => false,
                _ => true,
            };
        if is_news {
            self.sources.insert(id.clone(), Arc::new(new));
            self.note_value(id);
            let keys: Vec<_> = self.keys_by_source.referrers(id).cloned().collect();
            for key in &keys {
                let found = self.keys.find(key).cloned();
                self.claims_changed(key, found.as_deref(), dirty);
                self.dirty_heirs_of(key, dirty);
            }
            dirty.extend(keys.into_iter().map(Id::Key));
        }
    }

    /// The enforcement Secrets that exist for a key, by name.
    pub fn enforcement_of<'a>(
        &'a self,
        key: &KeyId,
    ) -> impl Iterator<Item = (&'a SecretId, &'a SecretFacts)> {
        self.secrets_by_key.referrers(key).filter_map(|id| {
            let facts = self.credentials.find(id).or_else(|| self.find_stray(id));
            Some((id, facts?))
        })
    }

    /// Those of them that are not being deleted.
    pub fn credentials_of<'a>(
        &'a self,
        key: &KeyId,
    ) -> impl Iterator<Item = (&'a SecretId, &'a SecretFacts)> {
        self.enforcement_of(key)
            .filter(|(_, facts)| !facts.deleting)
    }

    /// What credentials tell of the value of a Secret that keys refer to.
    pub fn copy_of(&self, source: &SecretId) -> Option<Copied> {
        let keys = self.keys_by_source.referrers(source);
        let mut credentials = keys.flat_map(|key| self.credentials_of(key));
        credentials.find_map(|(_, facts)| Copied::by(facts))
    }

    /// Whether the right to read a followed Secret was lost since it was read.
    pub(crate) fn is_source_lost(&self, id: &SecretId) -> bool {
        self.lost_sources.contains(id)
    }

    /// A followed Secret: `None` before it was read.
    pub fn find_source(&self, id: &SecretId) -> Option<&Source> {
        self.sources.get(id).map(Arc::as_ref)
    }
}

/// Whose a Secret that the gateway reads is.
pub(crate) struct Holder<'a> {
    pub(crate) key: KeyId,
    /// The product that it was made for.
    pub(crate) product: ProductId,
    facts: &'a SecretFacts,
}

impl Holder<'_> {
    pub(crate) fn version(&self) -> Version {
        self.facts.version
    }

    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        labels_of(self.facts)
    }
}

/// The product that an enforcement Secret was made for: by annotation, or by the published
/// labels.
fn product_of(facts: &SecretFacts) -> Option<ProductId> {
    let noted = facts.annotations.get(annotation::PRODUCT);
    if let Some((namespace, name)) = noted.and_then(|whole| whole.split_once('/')) {
        return Some(ProductId::new(namespace, name));
    }
    // The published controller labels the key's own namespace as the key names it: not at all.
    let named = facts.labels.get(label::PRODUCT_NAMESPACE)?;
    let own = facts.labels.get(label::KEY_NAMESPACE);
    let namespace = if named.is_empty() { own? } else { named };
    Some(ProductId::new(namespace, facts.labels.get(label::PRODUCT)?))
}

/// The labels of a Secret, as selectors look at them.
pub(crate) fn labels_of(facts: &SecretFacts) -> BTreeMap<String, String> {
    let labels = facts.labels.iter();
    labels
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The key an enforcement Secret belongs to: by annotation, or by the published
/// labels where the Secret is of another's making.
pub(super) fn key_of(facts: &SecretFacts) -> Option<KeyId> {
    let noted = facts.annotations.get(annotation::KEY);
    if let Some((namespace, name)) = noted.and_then(|whole| whole.split_once('/')) {
        return Some(KeyId::new(namespace, name));
    }
    let namespace = facts.labels.get(label::KEY_NAMESPACE)?;
    Some(KeyId::new(namespace, facts.labels.get(label::KEY)?))
}
