//! What depends on Secrets? Of their values only fingerprints are known.

use devportal_api::id::{KeyId, SecretId};
use devportal_api::name::{annotation, label};
use jiff::Timestamp;

use super::store::advances;
use super::{Dirty, Replaced, World};
use crate::change::SecretFacts;
use crate::decision::Id;

impl World {
    pub(super) fn enforcement_changed(
        &mut self,
        id: &SecretId,
        new: Option<SecretFacts>,
        dirty: &mut Dirty,
    ) {
        let Some(Replaced { old, new }) = self.enforcement.replace(id, new) else {
            return;
        };
        let keys = [&old, &new].into_iter().flatten().filter_map(key_of);
        dirty.extend(keys.map(Id::Key));
        self.secrets_by_key.set(id, new.as_ref().and_then(key_of));
        self.taken.remove(id);
    }

    pub(super) fn source_changed(
        &mut self,
        id: &SecretId,
        new: Option<SecretFacts>,
        dirty: &mut Dirty,
    ) {
        match (self.sources.get(id), &new) {
            (Some(None), None) => return,
            (Some(Some(old)), Some(new)) if !secret_advances(old, new) => return,
            _ => {}
        }
        self.taken.remove(id);
        self.sources.insert(id.clone(), new);
        dirty.extend(self.keys_by_source.referrers(id).cloned().map(Id::Key));
    }

    pub(super) fn name_taken(
        &mut self,
        id: SecretId,
        key: KeyId,
        at: Timestamp,
        dirty: &mut Dirty,
    ) {
        self.taken.insert(id, at);
        dirty.insert(Id::Key(key));
    }

    /// The enforcement Secrets that exist for a key, by name.
    pub fn enforcement_of<'a>(
        &'a self,
        key: &KeyId,
    ) -> impl Iterator<Item = (&'a SecretId, &'a SecretFacts)> {
        self.secrets_by_key
            .referrers(key)
            .filter_map(|id| Some((id, self.enforcement.get(id)?)))
    }

    /// A followed Secret: `None` before it was read, `Some(None)` when absent.
    pub fn find_source(&self, id: &SecretId) -> Option<Option<&SecretFacts>> {
        self.sources.get(id).map(Option::as_ref)
    }

    /// When a create was last refused because someone else has the name.
    pub fn taken_at(&self, id: &SecretId) -> Option<Timestamp> {
        self.taken.get(id).copied()
    }
}

fn secret_advances(old: &SecretFacts, new: &SecretFacts) -> bool {
    old.uid != new.uid || advances(&old.resource_version, &new.resource_version)
}

/// The key an enforcement Secret belongs to: by annotation, or by the published
/// labels where the Secret is of another's making.
fn key_of(facts: &SecretFacts) -> Option<KeyId> {
    if let Some((namespace, name)) = facts
        .annotations
        .get(annotation::KEY)
        .and_then(|whole| whole.split_once('/'))
    {
        return Some(KeyId::new(namespace, name));
    }
    let namespace = facts.labels.get(label::KEY_NAMESPACE)?;
    Some(KeyId::new(namespace, facts.labels.get(label::KEY)?))
}
