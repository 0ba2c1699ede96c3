//! Who refers to whom? A relation that can be asked in both directions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Edges from referrers `R` to targets `T`.
#[derive(Clone, Debug)]
pub struct Index<R, T> {
    /// In order, and none twice.
    forth: HashMap<R, Box<[T]>>,
    back: HashMap<T, Referrers<R>>,
}

/// Nearly always one; a set of one would be ten times as large.
#[derive(Clone, Debug)]
enum Referrers<R> {
    One(R),
    Many(BTreeSet<R>),
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
    pub fn set(&mut self, referrer: &R, targets: impl IntoIterator<Item = T>) {
        let mut new: Vec<T> = targets.into_iter().collect();
        new.sort();
        new.dedup();
        let old = if new.is_empty() {
            self.forth.remove(referrer)
        } else {
            self.forth.insert(referrer.clone(), new.clone().into())
        };
        let old = old.unwrap_or_default();
        for target in old.iter().filter(|it| !new.contains(it)) {
            if let Some(referrers) = self.back.remove(target)
                && let Some(others) = referrers.without(referrer)
            {
                self.back.insert(target.clone(), others);
            }
        }
        for target in new.into_iter().filter(|it| !old.contains(it)) {
            match self.back.entry(target) {
                Entry::Vacant(free) => drop(free.insert(Referrers::One(referrer.clone()))),
                Entry::Occupied(mut taken) => taken.get_mut().add(referrer.clone()),
            }
        }
    }

    /// Everyone who refers to `target`, in order.
    pub fn referrers(&self, target: &T) -> impl Iterator<Item = &R> {
        self.back.get(target).into_iter().flat_map(Referrers::iter)
    }

    /// Everything `referrer` refers to, in order.
    pub fn targets(&self, referrer: &R) -> impl Iterator<Item = &T> {
        self.forth.get(referrer).into_iter().flatten()
    }
}

impl<R: Clone + Ord> Referrers<R> {
    fn add(&mut self, referrer: R) {
        match self {
            Self::Many(all) => drop(all.insert(referrer)),
            Self::One(one) => *self = Self::Many([one.clone(), referrer].into()),
        }
    }

    /// Those that are left; `None` when there are none.
    fn without(self, referrer: &R) -> Option<Self> {
        match self {
            Self::One(one) => (one != *referrer).then_some(Self::One(one)),
            Self::Many(mut all) => {
                all.remove(referrer);
                match all.len() {
                    0 | 1 => all.pop_first().map(Self::One),
                    _ => Some(Self::Many(all)),
                }
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &R> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(all) => (None, Some(all)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_refers_is_known_from_the_first_to_the_last() {
        let mut index = Index::<u8, char>::default();
        let referrers = |index: &Index<u8, char>, target| -> Vec<u8> {
            index.referrers(&target).copied().collect()
        };
        index.set(&2, ['a', 'b', 'a']);
        index.set(&1, ['a']);
        index.set(&3, ['a']);
        assert_eq!(referrers(&index, 'a'), [1, 2, 3]);
        assert_eq!(referrers(&index, 'b'), [2]);
        assert_eq!(index.targets(&2).collect::<Vec<_>>(), [&'a', &'b']);
        index.set(&2, ['c']);
        assert_eq!(referrers(&index, 'a'), [1, 3]);
        assert_eq!(referrers(&index, 'b'), Vec::<u8>::new());
        index.set(&1, []);
        index.set(&3, []);
        index.set(&2, []);
        assert!(index.forth.is_empty() && index.back.is_empty());
    }
}
