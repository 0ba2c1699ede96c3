//! What depends on Secrets? Of their values only fingerprints are known.

use devportal_api::id::{KeyId, SecretId};
use devportal_api::name::{annotation, label};
use jiff::{SignedDuration, Timestamp};

use super::store::advances;
use super::{Dirty, Replaced, World};
use crate::change::{Obstacle, SecretFacts};
use crate::decision::Id;

/// How long an obstacle is remembered: longer than until it is tried again.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(5);

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
        self.hindered.remove(id);
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
        self.hindered.remove(id);
        self.forbidden.remove(id);
        self.sources.insert(id.clone(), new);
        self.dirty_keys_with(id, dirty);
    }

    /// What was read before the right was lost still stands.
    pub(super) fn source_forbidden(&mut self, id: &SecretId, dirty: &mut Dirty) {
        if !self.sources.contains_key(id) && self.forbidden.insert(id.clone()) {
            self.dirty_keys_with(id, dirty);
        }
    }

    fn dirty_keys_with(&self, source: &SecretId, dirty: &mut Dirty) {
        dirty.extend(self.keys_by_source.referrers(source).cloned().map(Id::Key));
    }

    pub(super) fn hindered(
        &mut self,
        id: SecretId,
        obstacle: Obstacle,
        key: KeyId,
        at: Timestamp,
        dirty: &mut Dirty,
    ) {
        // What is old was tried again, or is not wanted any more.
        self.hindered
            .retain(|_, (then, _)| at.duration_since(*then) < REMEMBERED);
        self.hindered.insert(id, (at, obstacle));
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

    /// Those of them that are not being deleted.
    pub fn credentials_of<'a>(
        &'a self,
        key: &KeyId,
    ) -> impl Iterator<Item = (&'a SecretId, &'a SecretFacts)> {
        self.enforcement_of(key)
            .filter(|(_, facts)| !facts.deleting)
    }

    /// A followed Secret: `None` before it was read, `Some(None)` when absent.
    pub fn find_source(&self, id: &SecretId) -> Option<Option<&SecretFacts>> {
        self.sources.get(id).map(Option::as_ref)
    }

    /// Whether a Secret that was asked for may not be read.
    pub fn is_forbidden(&self, id: &SecretId) -> bool {
        self.forbidden.contains(id)
    }

    /// When and why a Secret could not be created.
    pub fn find_obstacle(&self, id: &SecretId) -> Option<&(Timestamp, Obstacle)> {
        self.hindered.get(id)
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
