//! Whose keys open whose API? Where selectors overlap.
//!
//! Authorino takes every Secret that a selector selects, whoever it was made for:
//! a selector that is copied to another namespace makes keys there that open the
//! API here, and two products on one route are one door. Nobody is taken in by surprise
//! when both owners are told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use devportal_api::id::ProductId;
use devportal_api::name::label;
use devportal_api::scheme::AuthenticationRule;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::World;
use crate::discover::selector;
use devportal_mirror::Index;

/// A label with its value, or with any.
type Demand = (String, Option<String>);

/// What each product's keys carry, and what its policy selects.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    sides: HashMap<ProductId, Side>,
    /// By what its keys carry.
    carriers: Index<ProductId, Demand>,
    /// By one demand of its selector: what is selected meets it.
    selectors: Index<ProductId, Demand>,
}

#[derive(Debug)]
struct Side {
    selector: LabelSelector,
    /// None when no key can be made for the selector.
    labels: Option<BTreeMap<String, String>>,
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
    /// The rule that a product's keys are made for, if there is one now.
    pub(super) fn set(&mut self, id: &ProductId, rule: Option<&AuthenticationRule>) {
        let selector = rule
            .and_then(|rule| rule.api_key.as_ref())
            .map(|api_key| api_key.selector.clone().unwrap_or_default());
        let Some(selector) = selector else {
            self.sides.remove(id);
            self.carriers.set(id, []);
            self.selectors.set(id, []);
            return;
        };
        let mut labels = selector::labels_for(id);
        let labels = selector::satisfy(&selector, &mut labels)
            .is_ok()
            .then_some(labels);
        self.carriers.set(id, labels.iter().flatten().flat_map(met));
        self.selectors.set(id, asked(&selector));
        self.sides.insert(id.clone(), Side { selector, labels });
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
        let asked: BTreeSet<_> = asked(&side.selector).into_iter().collect();
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

/// Whether the keys of one open the other.
fn fits(keys: &Side, api: &Side) -> bool {
    let labels = keys.labels.as_ref();
    labels.is_some_and(|labels| selector::selects(&api.selector, labels))
}

/// The demands that a label meets.
fn met((label, value): (&String, &String)) -> [Demand; 2] {
    [(label.clone(), Some(value.clone())), (label.clone(), None)]
}

/// One demand that everything a selector selects meets, as the values it may
/// have; rather one that not every key meets.
fn asked(selector: &LabelSelector) -> Vec<Demand> {
    let exact = selector.match_labels.iter().flatten();
    let exact = exact.map(|(label, value)| vec![(label.clone(), Some(value.clone()))]);
    let expressions = selector.match_expressions.iter().flatten();
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
    let every_key = || vec![(label::ENFORCEMENT.to_owned(), None)];
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

impl World {
    /// Whether a key of the one product opens the other, or the other way round.
    pub(crate) fn share_keys(&self, a: &ProductId, b: &ProductId) -> bool {
        let sides = &self.sharing.sides;
        a == b
            || matches!((sides.get(a), sides.get(b)), (Some(a), Some(b)) if fits(a, b) || fits(b, a))
    }

    /// The products whose keys open this one, or that its keys open.
    pub fn overlap_of(&self, id: &ProductId) -> Overlap {
        self.sharing.of(id)
    }
}
