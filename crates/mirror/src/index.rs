//! Who refers to whom? A relation that can be asked in both directions.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

/// Edges from referrers `R` to targets `T`.
#[derive(Clone, Debug)]
pub struct Index<R, T> {
    forth: HashMap<R, Set<T>>,
    back: HashMap<T, Set<R>>,
}

/// Some, in order. Nearly always one: no larger than that itself then.
#[derive(Clone, Debug)]
enum Set<I> {
    One(I),
    #[expect(
        clippy::box_collection,
        reason = "behind one pointer it takes no room in a set of one"
    )]
    Many(Box<BTreeSet<I>>),
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
        let new = Set::of(targets);
        let old = match &new {
            Some(new) => self.forth.insert(referrer.clone(), new.clone()),
            None => self.forth.remove(referrer),
        };
        let has = |set: &Option<Set<T>>, it: &T| set.as_ref().is_some_and(|set| set.has(it));
        for target in old.iter().flat_map(Set::iter) {
            if !has(&new, target)
                && let Some(referrers) = self.back.remove(target)
                && let Some(others) = referrers.without(referrer)
            {
                self.back.insert(target.clone(), others);
            }
        }
        for target in new.iter().flat_map(Set::iter) {
            if !has(&old, target) {
                match self.back.entry(target.clone()) {
                    Entry::Vacant(free) => drop(free.insert(Set::One(referrer.clone()))),
                    Entry::Occupied(mut taken) => taken.get_mut().add(referrer.clone()),
                }
            }
        }
    }

    /// Everyone who refers to `target`, in order.
    pub fn referrers(&self, target: &T) -> impl Iterator<Item = &R> {
        self.back.get(target).into_iter().flat_map(Set::iter)
    }

    /// Everything `referrer` refers to, in order.
    pub fn targets(&self, referrer: &R) -> impl Iterator<Item = &T> {
        self.forth.get(referrer).into_iter().flat_map(Set::iter)
    }
}

impl<I: Clone + Ord> Set<I> {
    /// `None` when there are none.
    fn of(items: impl IntoIterator<Item = I>) -> Option<Self> {
        let mut items = items.into_iter();
        let mut set = Self::One(items.next()?);
        items.for_each(|it| set.add(it));
        Some(set)
    }

    fn has(&self, item: &I) -> bool {
        match self {
            Self::One(one) => one == item,
            Self::Many(all) => all.contains(item),
        }
    }

    fn add(&mut self, item: I) {
        match self {
            Self::Many(all) => drop(all.insert(item)),
            Self::One(one) if *one == item => {}
            Self::One(one) => *self = Self::Many(Box::new([one.clone(), item].into())),
        }
    }

    /// Those that are left; `None` when there are none.
    fn without(self, item: &I) -> Option<Self> {
        match self {
            Self::One(one) => (one != *item).then_some(Self::One(one)),
            Self::Many(mut all) => {
                all.remove(item);
                match all.len() {
                    0 | 1 => all.pop_first().map(Self::One),
                    _ => Some(Self::Many(all)),
                }
            }
        }
    }

    fn iter(&self) -> impl Iterator<Item = &I> {
        let (one, many) = match self {
            Self::One(one) => (Some(one), None),
            Self::Many(all) => (None, Some(all)),
        };
        one.into_iter()
            .chain(many.into_iter().flat_map(|it| it.iter()))
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
