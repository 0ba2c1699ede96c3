//! How much one change costs among ten thousand keys: ids, not seconds.

use std::collections::BTreeSet;
use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, HTTPRoute};
use devportal_core::{Change, Id, World};
use devportal_mirror::Told;
use kube::Resource;

use crate::common::cluster::{Kind, id, name_of};
use crate::common::*;

const PRODUCTS: usize = 200;
const KEYS: usize = 10_000;

/// A cluster of many, and how to change one object of it.
struct Crowd {
    world: World,
    version: u64,
}

impl Crowd {
    fn new() -> Self {
        let mut crowd = Self {
            world: World::default(),
            version: 0,
        };
        crowd.put(kuadrant());
        for p in 0..PRODUCTS {
            crowd.put(product_named(&product(p)));
            crowd.put(route(&product(p)));
            crowd.put(auth(&product(p)));
        }
        for k in 0..KEYS {
            crowd.put(key(&format!("key-{k}")).asking_for(&product(k % PRODUCTS)));
        }
        crowd
    }

    fn put<K: Kind>(&mut self, mut object: K) -> BTreeSet<Id> {
        self.version += 1;
        let name = name_of(&object);
        object.meta_mut().uid = Some(format!("{}/{name:?}", K::NAME));
        object.meta_mut().resource_version = Some(self.version.to_string());
        self.world
            .observe(K::change(Told::Is(id::<K>(&name), Arc::new(object))))
    }
}

fn product(number: usize) -> String {
    format!("product-{number}")
}

#[test]
fn one_change_costs_what_depends_on_it_and_nothing_else() {
    let mut crowd = Crowd::new();
    let per_product = KEYS / PRODUCTS;

    let dirty = crowd.put(key("key-7").asking_for(&product(7)).on_tier("silver"));
    assert_eq!(dirty, [Id::Key(key_id("key-7"))].into());

    let mut described = product_named(&product(3));
    described.spec.description = Some("about".into());
    assert_eq!(
        crowd.put(described).len(),
        1 + per_product,
        "the product and its keys"
    );

    let mut told = product_named(&product(3));
    told.spec.description = Some("about".into());
    told.status = Some(devportal_api::APIProductStatus::default());
    let only = BTreeSet::from([Id::Product(product_id(&product(3)))]);
    assert_eq!(crowd.put(told), only, "a status is nobody else's business");

    let flipped = auth(&product(3)).saying(&[("Accepted", true), ("Enforced", false)]);
    assert_eq!(crowd.put(flipped).len(), 1 + per_product);
    let same: AuthPolicy = auth(&product(3)).saying(&[("Accepted", true), ("Enforced", false)]);
    assert_eq!(crowd.put(same), BTreeSet::new(), "no difference, no work");

    let decision = approval("yes", "key-7", true, at(0));
    assert_eq!(crowd.put(decision).len(), 1);

    let touched: HTTPRoute = route("nobody-uses-it");
    assert_eq!(crowd.put(touched), BTreeSet::new());

    let second = kuadrant_in("z-other");
    assert_eq!(
        crowd.put(second),
        BTreeSet::new(),
        "the credentials stay where they are"
    );
}

#[test]
fn what_is_seen_twice_or_late_costs_nothing() {
    let mut crowd = Crowd::new();
    let mut late = key("key-7").asking_for(&product(9));
    late.meta_mut().uid = Some(format!("APIKey/{:?}", name_of(&late)));
    late.meta_mut().resource_version = Some("1".into());
    let change = Change::Key(Told::Is(key_id("key-7"), Arc::new(late)));
    assert_eq!(crowd.world.observe(change), BTreeSet::new());
    let absent = Change::Key(Told::Ended(key_id("never-was"), "nobody".into(), None));
    assert_eq!(crowd.world.observe(absent), BTreeSet::new());
}
