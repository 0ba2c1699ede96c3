//! Who refers to whom? A relation that can be asked in both directions.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Edges from referrers `R` to targets `T`.
#[derive(Clone, Debug)]
pub(crate) struct Index<R, T> {
    forth: HashMap<R, BTreeSet<T>>,
    back: HashMap<T, BTreeSet<R>>,
}

impl<R, T> Default for Index<R, T> {
    fn default() -> Self {
        Self {
            forth: HashMap::new(),
            back: HashMap::new(),
        }
    }
}

impl<R: Clone + Ord + Hash, T: Clone + Ord + Hash> Index<R, T> {
    /// Makes `targets` the whole set that `referrer` refers to.
    pub(crate) fn set(&mut self, referrer: &R, targets: impl IntoIterator<Item = T>) {
        let new: BTreeSet<T> = targets.into_iter().collect();
        let old = if new.is_empty() {
            self.forth.remove(referrer)
        } else {
            self.forth.insert(referrer.clone(), new.clone())
        };
        let old = old.unwrap_or_default();
        for target in old.difference(&new) {
            if let Some(referrers) = self.back.get_mut(target) {
                referrers.remove(referrer);
                if referrers.is_empty() {
                    self.back.remove(target);
                }
            }
        }
        for target in new.difference(&old) {
            self.back
                .entry(target.clone())
                .or_default()
                .insert(referrer.clone());
        }
    }

    /// Everyone who refers to `target`, in order.
    pub(crate) fn referrers(&self, target: &T) -> impl Iterator<Item = &R> {
        self.back.get(target).into_iter().flatten()
    }

    /// Everything `referrer` refers to, in order.
    pub(crate) fn targets(&self, referrer: &R) -> impl Iterator<Item = &T> {
        self.forth.get(referrer).into_iter().flatten()
    }
}
