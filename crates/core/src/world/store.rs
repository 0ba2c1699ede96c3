//! Which observation of an object is the newest?
//!
//! Two streams tell of the same objects: the watch, and the answers to our own
//! writes. They are not ordered against each other, so an answer may arrive
//! after the watch has told of something newer, or of the object's end.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use kube::Resource;

use crate::change::SecretFacts;

/// How many ended objects are remembered: more than answers can be under way.
const REMEMBERED: usize = 1024;

/// Something that lives under a UID and changes its version.
pub(super) trait Versioned: Clone {
    fn uid(&self) -> &str;
    fn version(&self) -> &str;
}

impl<K: Resource<DynamicType = ()>> Versioned for Arc<K> {
    fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }

    fn version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }
}

impl Versioned for SecretFacts {
    fn uid(&self) -> &str {
        &self.uid
    }

    fn version(&self) -> &str {
        &self.resource_version
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct Store<I, V> {
    live: HashMap<I, V>,
    /// The last version of objects that ended, by UID.
    ended: HashMap<String, String>,
    order: VecDeque<String>,
}

impl<I, V> Default for Store<I, V> {
    fn default() -> Self {
        Self {
            live: HashMap::new(),
            ended: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

/// What an object was and is, when the two differ.
pub(super) struct Replaced<V> {
    pub(super) old: Option<V>,
    pub(super) new: Option<V>,
}

impl<I: Clone + Eq + Hash, V: Versioned> Store<I, V> {
    pub(super) fn get(&self, id: &I) -> Option<&V> {
        self.live.get(id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &I> {
        self.live.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&I, &V)> {
        self.live.iter()
    }

    /// Puts an object in its place. `None` when nothing changed: a repeated or
    /// a late observation.
    pub(super) fn replace(&mut self, id: &I, new: Option<V>) -> Option<Replaced<V>> {
        let Some(object) = &new else {
            let old = self.live.remove(id)?;
            self.remember(&old);
            return Some(Replaced {
                old: Some(old),
                new: None,
            });
        };
        // Versions are ordered across the objects of a kind, so that a late word
        // about an earlier object is told from news of its successor.
        let live = self.live.get(id).map(Versioned::version);
        let ended = self.ended.get(object.uid()).map(String::as_str);
        let is_news = |known| advances(known, object.version());
        if ![live, ended].into_iter().flatten().all(is_news) {
            return None;
        }
        let old = self.live.insert(id.clone(), object.clone());
        if let Some(old) = old.as_ref().filter(|old| old.uid() != object.uid()) {
            self.remember(old);
        }
        Some(Replaced { old, new })
    }

    fn remember(&mut self, object: &V) {
        let uid = object.uid().to_owned();
        let version = object.version().to_owned();
        if self.ended.insert(uid.clone(), version).is_none() {
            self.order.push_back(uid);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ended.remove(&oldest);
        }
    }
}

/// Resource versions of one kind are ordered numbers (KEP-5504); text that is
/// no number is only compared for equality.
pub(super) fn advances(old: &str, new: &str) -> bool {
    match (old.parse::<u128>(), new.parse::<u128>()) {
        (Ok(old), Ok(new)) => new > old,
        _ => old != new,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::ValueFacts;

    fn secret(uid: &str, version: &str) -> SecretFacts {
        SecretFacts {
            uid: uid.into(),
            resource_version: version.into(),
            labels: [].into(),
            annotations: [].into(),
            owner_uid: None,
            deleting: false,
            value: ValueFacts::NoEntry,
        }
    }

    #[test]
    fn an_answer_that_arrives_after_the_end_brings_nothing_back() {
        let mut store = Store::default();
        store.replace(&1, Some(secret("a", "9")));
        store.replace(&1, None);
        assert!(store.replace(&1, Some(secret("a", "9"))).is_none());
        assert!(store.get(&1).is_none());
    }

    #[test]
    fn a_late_word_about_an_earlier_object_does_not_replace_its_successor() {
        let mut store = Store::default();
        store.replace(&1, Some(secret("a", "9")));
        store.replace(&1, Some(secret("b", "11")));
        assert!(store.replace(&1, Some(secret("a", "9"))).is_none());
        assert_eq!(store.get(&1), Some(&secret("b", "11")));
    }

    #[test]
    fn a_late_word_of_an_earlier_object_that_was_never_seen_does_not_either() {
        let mut store = Store::default();
        store.replace(&1, Some(secret("b", "11")));
        assert!(store.replace(&1, Some(secret("a", "9"))).is_none());
        assert!(store.replace(&1, Some(secret("c", "12"))).is_some());
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let mut store = Store::default();
        store.replace(&1, Some(secret("a", "10")));
        assert!(store.replace(&1, Some(secret("a", "9"))).is_none());
        assert!(store.replace(&1, Some(secret("a", "11"))).is_some());
    }
}
