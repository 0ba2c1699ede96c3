//! In which order is a page shown? An ordered secondary index: a page costs what it
//! shows, never a sort of everything.

use std::ops::Bound;

use imbl::OrdSet;

use crate::kind::Kind;
use crate::table::Difference;

/// The places an object has in an order: one for each namespace, product, state … that
/// it is to be found under.
pub type Places<K, P> = fn(&<K as Kind>::Id, &<K as Kind>::Kept) -> Vec<P>;

/// The objects of a kind by something they have. Cloned in constant time, so that a
/// reader keeps one while the writer goes on.
#[derive(Debug)]
pub struct Order<K: Kind, P: Ord + Clone> {
    entries: OrdSet<(P, K::Id)>,
    places: Places<K, P>,
}

impl<K: Kind, P: Ord + Clone> Clone for Order<K, P> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            places: self.places,
        }
    }
}

impl<K: Kind, P: Ord + Clone> Order<K, P> {
    /// An order in which nothing is yet.
    pub fn new(places: Places<K, P>) -> Self {
        Self {
            entries: OrdSet::new(),
            places,
        }
    }

    /// Follows a change of the table.
    pub fn note(&mut self, difference: &Difference<K>) {
        let Difference { id, old, new } = difference;
        for place in old.iter().flat_map(|it| (self.places)(id, it)) {
            self.entries.remove(&(place, id.clone()));
        }
        for place in new.iter().flat_map(|it| (self.places)(id, it)) {
            self.entries.insert((place, id.clone()));
        }
    }

    /// From a place on, in order; `after` is where the last page ended.
    pub fn page(&self, from: P, first: K::Id, after: bool) -> impl Iterator<Item = &(P, K::Id)> {
        let start = if after {
            Bound::Excluded((from, first))
        } else {
            Bound::Included((from, first))
        };
        self.entries.range((start, Bound::Unbounded))
    }

    /// All of it, in order.
    pub fn iter(&self) -> impl Iterator<Item = &(P, K::Id)> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Version;
    use crate::secret::{Pairs, SecretFacts, ValueFacts};
    use crate::{Credential, Scope, Table, Told};
    use devportal_api::id::SecretId;

    fn secret(uid: &str, version: u64, plan: &str) -> SecretFacts {
        SecretFacts {
            uid: uid.into(),
            version: Version(version),
            labels: Pairs::default(),
            annotations: [("plan", plan)].into_iter().collect(),
            owner_uid: None,
            created: None,
            deleting: false,
            untouched: false,
            value: ValueFacts::NoEntry,
        }
    }

    #[test]
    fn a_page_begins_where_the_last_one_ended_and_follows_the_table() {
        let mut table = Table::<Credential>::default();
        let mut order = Order::<Credential, String>::new(|_, it| {
            it.annotations
                .get("plan")
                .map(str::to_owned)
                .into_iter()
                .collect()
        });
        let id = |name: &str| SecretId::new("ns", name);
        let mut tell = |order: &mut Order<Credential, String>, told| {
            for difference in table.take(told).differences {
                order.note(&difference);
            }
        };
        tell(&mut order, Told::ListBegins(Scope::Cluster));
        for (n, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
            let plan = if name == "c" { "silver" } else { "gold" };
            tell(
                &mut order,
                Told::Is(id(name), secret(name, n as u64 + 1, plan)),
            );
        }
        tell(&mut order, Told::Is(id("d"), secret("d", 9, "silver")));
        tell(&mut order, Told::Ended(id("a"), "a".into(), None));
        let before = order.clone();
        tell(&mut order, Told::Is(id("b"), secret("b", 10, "bronze")));
        let page = |order: &Order<Credential, String>, from: &str, name: &str, after| {
            order
                .page(from.into(), id(name), after)
                .map(|(plan, id)| format!("{plan}/{}", id.name))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            page(&before, "gold", "", false),
            ["gold/b", "silver/c", "silver/d"]
        );
        assert_eq!(page(&before, "silver", "c", true), ["silver/d"]);
        assert_eq!(
            page(&order, "", "", false),
            ["bronze/b", "silver/c", "silver/d"]
        );
    }
}
