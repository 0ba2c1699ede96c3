//! Who needs what from outside the watches? Needs are followed from the first
//! id that has them to the last.

use std::collections::{BTreeSet, HashMap};

use devportal_core::{Id, Need};

/// The needs of every id, and how many have each.
#[derive(Debug, Default)]
pub(crate) struct Needs {
    of: HashMap<Id, Box<[Need]>>,
    count: HashMap<Need, usize>,
}

/// What to begin and what to stop following.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) begin: Vec<Need>,
    pub(crate) stop: Vec<Need>,
}

impl Needs {
    /// Every id that needs something.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &Id> {
        self.of.keys()
    }

    /// Whether any id needs this.
    pub(crate) fn has(&self, need: &Need) -> bool {
        self.count.contains_key(need)
    }

    /// Replaces the needs of an id.
    pub(crate) fn set(&mut self, id: &Id, needs: &BTreeSet<Need>) -> Difference {
        let mut difference = Difference::default();
        let old = if needs.is_empty() {
            self.of.remove(id)
        } else {
            self.of.insert(id.clone(), needs.iter().cloned().collect())
        }
        .unwrap_or_default();
        for need in needs.iter().filter(|need| !old.contains(need)) {
            let count = self.count.entry(need.clone()).or_default();
            *count += 1;
            if *count == 1 {
                difference.begin.push(need.clone());
            }
        }
        for need in old.iter().filter(|need| !needs.contains(need)) {
            if let Some(count) = self.count.get_mut(need) {
                *count -= 1;
                if *count == 0 {
                    self.count.remove(need);
                    difference.stop.push(need.clone());
                }
            }
        }
        difference
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::KeyId;

    #[test]
    fn what_two_ids_need_is_followed_until_neither_does() {
        let (a, b) = (Id::Key(KeyId::new("n", "a")), Id::Key(KeyId::new("n", "b")));
        let need = Need::Oidc("https://issuer".into());
        let some = || BTreeSet::from([need.clone()]);
        let mut needs = Needs::default();
        assert_eq!(needs.set(&a, &some()).begin, vec![need.clone()]);
        assert_eq!(needs.set(&b, &some()), Difference::default());
        assert_eq!(needs.set(&a, &some()), Difference::default());
        assert_eq!(needs.set(&a, &BTreeSet::new()), Difference::default());
        assert_eq!(needs.set(&b, &BTreeSet::new()).stop, vec![need]);
    }
}
