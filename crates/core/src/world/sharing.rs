//! Whose keys open whose API? Where selectors overlap.
//!
//! Authorino takes every Secret that a selector selects, whoever it was made for:
//! a selector that is copied to another namespace makes keys there that open the
//! API here, and two products on one route are one door. Keys are made for one rule of a
//! policy, and let in by any. Nobody is taken in by surprise when both owners are told. Nor by
//! Secrets that were made by hand, and that no key stands for.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use devportal_api::id::{ProductId, SecretId};
use devportal_api::name::{annotation, label};
use devportal_mirror::{Index, SecretFacts};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::secrets::{key_of, labels_of};
use super::{Dirty, World};
use crate::decision::Id;
use crate::discover::{AuthFindings, selector};

/// A label with its value, or with any.
type Demand = (String, Option<String>);

/// What each product's keys carry, and what its policy selects.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    sides: HashMap<ProductId, Side>,
    /// The last side of products that have none now and still have keys: while a policy or a
    /// product is replaced, the values of its keys stay theirs.
    former: HashMap<ProductId, Side>,
    /// By what its keys carry.
    carriers: Index<ProductId, Demand>,
    /// By one demand of each of its selectors: what is selected meets it.
    selectors: Index<ProductId, Demand>,
    /// Secrets that no key stands for, by what they carry.
    unmanaged: Index<SecretId, Demand>,
}

#[derive(Debug)]
struct Side {
    /// Of every rule that accepts keys.
    selectors: Vec<LabelSelector>,
    /// Of the rule that keys are made for. None when none can be.
    labels: Option<BTreeMap<String, String>>,
}

impl Side {
    /// Whether a Secret with these labels is let in.
    fn takes(&self, labels: &BTreeMap<String, String>) -> bool {
        let mut selectors = self.selectors.iter();
        selectors.any(|it| selector::selects(it, labels))
    }
}

/// The products that a product has keys in common with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Its keys open these as well.
    pub opens: BTreeSet<ProductId>,
    /// The keys of these open it as well.
    pub opened_by: BTreeSet<ProductId>,
}

impl Overlap {
    /// Everyone it concerns.
    pub(super) fn others(self) -> impl Iterator<Item = ProductId> {
        self.opens.into_iter().chain(self.opened_by)
    }
}

impl Sharing {
    /// The rules of a product's policy, and the one that its keys are made for, as they are
    /// now.
    pub(super) fn set(&mut self, id: &ProductId, auth: Option<&AuthFindings>) {
        let rules = auth.into_iter().flat_map(|it| &it.key_rules);
        let selectors: Vec<_> = rules
            .map(|(_, api_key)| api_key.selector.clone().unwrap_or_default())
            .collect();
        let used = auth.and_then(|auth| auth.key_rule.as_ref()?.api_key.as_ref());
        let labels = used.and_then(|used| {
            let mut labels = selector::labels_for(id);
            let selector = used.selector.clone().unwrap_or_default();
            let is_met = selector::satisfy(&selector, &mut labels).is_ok();
            // Each key has its own, unless they are to be of one.
            let fixed = selector.match_labels.unwrap_or_default();
            labels.retain(|label, _| !OF_KEY.contains(&&**label) || fixed.contains_key(label));
            is_met.then_some(labels)
        });
        self.carriers.set(id, labels.iter().flatten().flat_map(met));
        self.selectors.set(id, selectors.iter().flat_map(asked));
        if selectors.is_empty() {
            let side = self.sides.remove(id);
            self.former.extend(side.map(|it| (id.clone(), it)));
        } else {
            self.former.remove(id);
            self.sides.insert(id.clone(), Side { selectors, labels });
        }
    }

    /// There is no key of it any more.
    pub(super) fn forget(&mut self, id: &ProductId) {
        self.former.remove(id);
    }

    /// The products that a Secret with these labels opens.
    fn opened_by<'a>(
        &'a self,
        labels: &'a BTreeMap<String, String>,
    ) -> impl Iterator<Item = &'a ProductId> {
        let met: BTreeSet<_> = labels.iter().flat_map(met).collect();
        let products: BTreeSet<_> = met
            .iter()
            .flat_map(|demand| self.selectors.referrers(demand))
            .collect();
        let takes = move |id: &&ProductId| self.sides.get(id).is_some_and(|it| it.takes(labels));
        products.into_iter().filter(takes)
    }

    pub(super) fn of(&self, id: &ProductId) -> Overlap {
        let Some(side) = self.sides.get(id) else {
            return Overlap::default();
        };
        let is_other = |other: &&ProductId| *other != id;
        let carried: BTreeSet<_> = side.labels.iter().flatten().flat_map(met).collect();
        let opens = carried
            .iter()
            .flat_map(|demand| self.selectors.referrers(demand))
            .filter(is_other)
            .filter(|other| self.sides.get(other).is_some_and(|other| fits(side, other)));
        let asked: BTreeSet<_> = side.selectors.iter().flat_map(asked).collect();
        let opened_by = asked
            .iter()
            .flat_map(|demand| self.carriers.referrers(demand))
            .filter(is_other)
            .filter(|other| self.sides.get(other).is_some_and(|other| fits(other, side)));
        Overlap {
            opens: opens.cloned().collect(),
            opened_by: opened_by.cloned().collect(),
        }
    }
}

/// The labels that every key carries with values of its own.
const OF_KEY: [&str; 2] = [label::KEY, label::KEY_NAMESPACE];

/// Whether keys of one may open the other: for some, their name or namespace may matter.
fn fits(keys: &Side, api: &Side) -> bool {
    keys.labels.as_ref().is_some_and(|labels| {
        let mut selectors = api.selectors.iter();
        selectors.any(|selector| {
            let mut labels = labels.clone();
            for label in OF_KEY {
                let entry = labels.entry(label.to_owned());
                entry.or_insert_with(|| selector::value_for(selector, label));
            }
            selector::selects(selector, &labels)
        })
    })
}

/// The demands that a label meets.
fn met((label, value): (&String, &String)) -> [Demand; 2] {
    [(label.clone(), Some(value.clone())), (label.clone(), None)]
}

/// One demand on a product's keys that everything a selector selects meets, as the values it
/// may have; rather one that not every key meets.
fn asked(selector: &LabelSelector) -> Vec<Demand> {
    let is_of_all = |label: &String| !OF_KEY.contains(&label.as_str());
    let exact = selector.match_labels.iter().flatten();
    let exact = exact.filter(|(label, _)| is_of_all(label));
    let exact = exact.map(|(label, value)| vec![(label.clone(), Some(value.clone()))]);
    let expressions = selector.match_expressions.iter().flatten();
    let expressions = expressions.filter(|it| is_of_all(&it.key));
    let listed = expressions.filter_map(|it| match it.operator.as_str() {
        "In" => {
            let values = it.values.iter().flatten();
            Some(
                values
                    .map(|value| (it.key.clone(), Some(value.clone())))
                    .collect(),
            )
        }
        "Exists" => Some(vec![(it.key.clone(), None)]),
        _ => None,
    });
    let every_key = || vec![(label::MANAGED_BY.to_owned(), None)];
    let is_common = |demands: &Vec<Demand>| {
        let common = [label::ENFORCEMENT, label::MANAGED_BY];
        demands
            .iter()
            .any(|(label, _)| common.contains(&label.as_str()))
    };
    exact
        .chain(listed)
        .min_by_key(is_common)
        .unwrap_or_else(every_key)
}

/// Whether a Secret is no credential of an APIKey, as far as it tells. Authorino takes whatever a
/// rule selects, also one that is being deleted and held by a finalizer, or that has our label.
fn is_unmanaged(facts: &SecretFacts) -> bool {
    let is_labelled = facts.labels.get(label::ENFORCEMENT) == Some("true");
    if is_labelled {
        key_of(facts).is_none()
    } else {
        !facts.is_stray() && !facts.annotations.has(annotation::KEY)
    }
}

impl World {
    /// Whether a key of the one product opens the other, or the other way round; of a product
    /// that has no policy now, whether it did before.
    pub(crate) fn share_keys(&self, a: &ProductId, b: &ProductId) -> bool {
        let Sharing { sides, former, .. } = &self.sharing;
        let side = |id| sides.get(id).or_else(|| former.get(id));
        a == b || matches!((side(a), side(b)), (Some(a), Some(b)) if fits(a, b) || fits(b, a))
    }

    /// A Secret where credentials lie has changed: where no key stands for it, the products that it
    /// opens say so.
    pub(super) fn unmanaged_changed(
        &mut self,
        id: &SecretId,
        old: Option<&SecretFacts>,
        dirty: &mut Dirty,
    ) {
        let labels =
            |facts: Option<&SecretFacts>| facts.filter(|it| is_unmanaged(it)).map(labels_of);
        let (old, new) = (labels(old), labels(self.find_any(id)));
        if old == new {
            return;
        }
        let carried = new.iter().flatten().flat_map(met);
        self.sharing.unmanaged.set(id, carried);
        for labels in old.iter().chain(&new) {
            let products = self.sharing.opened_by(labels);
            dirty.extend(products.cloned().map(Id::Product));
        }
    }

    /// A Secret where credentials lie, with our label or without.
    fn find_any(&self, id: &SecretId) -> Option<&SecretFacts> {
        self.credentials.find(id).or_else(|| self.strays.find(id))
    }

    /// How many Secrets open a product that no key stands for; `None` where that is not seen.
    pub(crate) fn unmanaged_keys_of(&self, id: &ProductId) -> Option<usize> {
        let namespace = self.kuadrant_namespace()?;
        if !self.strays.is_listed(namespace) || !self.credentials.is_listed(namespace) {
            return None;
        }
        let Some(side) = self.sharing.sides.get(id) else {
            return Some(0);
        };
        let asked: BTreeSet<_> = side.selectors.iter().flat_map(asked).collect();
        let found = asked
            .iter()
            .flat_map(|demand| self.sharing.unmanaged.referrers(demand));
        let found: BTreeSet<_> = found.filter(|it| &*it.namespace == namespace).collect();
        let is_open = |id: &&&SecretId| {
            let facts = self.find_any(id);
            side.takes(&facts.map(labels_of).unwrap_or_default())
        };
        Some(found.iter().filter(is_open).count())
    }

    /// The products whose keys open this one, or that its keys open.
    pub fn overlap_of(&self, id: &ProductId) -> Overlap {
        self.sharing.of(id)
    }
}
