//! What becomes of keys that are restored from a backup: objects without UIDs, owners and
//! statuses, and Secrets as they were.

use devportal_api::name::annotation;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};

use crate::common::cluster::{Cluster, Kind};
use crate::common::hands::pair;
use crate::common::*;
use crate::credential::{WORKING, copy};

/// What is left out of the backup, or comes late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variant {
    Whole,
    WithoutRequests,
    WithoutCredentials,
    KeysLast,
    WithoutApprovals,
}

/// A generated and a brought key, each approved by a person who was shown the terms, and one
/// of a product that approves by itself.
fn approved() -> Simulation {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    it.create(key("alice"));
    it.create(key("bob").brought("own"));
    it.create(product_named("maps").automatic());
    it.create(route("maps"));
    it.create(auth("maps"));
    it.create(plans("maps"));
    it.create(key("carol").asking_for("maps"));
    it.settle();
    it.cluster.now = at(100);
    for name in ["alice", "bob"] {
        let terms = it.request(name).unwrap().terms();
        it.create(approval(name, name, true, at(100)).of_terms(terms));
    }
    it.settle();
    oracle::check(&it);
    it
}

fn again<K: Kind>(from: &Cluster, into: &mut Cluster, strip: impl Fn(&mut K)) {
    for object in K::table(from).values() {
        let mut object = object.clone();
        object.meta_mut().owner_references = None;
        strip(&mut object);
        into.create(object);
    }
}

fn restored(from: &Cluster, variant: Variant) -> Simulation {
    let mut into = Cluster {
        now: at(10_000),
        counter: from.counter,
        generated: from.generated,
        ..Cluster::default()
    };
    for (name, secret) in &from.secrets {
        let is_left_out = variant == Variant::WithoutCredentials && secret.is_enforcement();
        if !is_left_out {
            let secret = secret.clone();
            into.put_secret(name, |it| {
                *it = secret;
                it.owner_uid = None;
            });
        }
    }
    again::<devportal_api::foreign::Kuadrant>(from, &mut into, |_| {});
    again::<devportal_api::foreign::HTTPRoute>(from, &mut into, |_| {});
    again::<devportal_api::foreign::AuthPolicy>(from, &mut into, |_| {});
    again::<devportal_api::foreign::PlanPolicy>(from, &mut into, |_| {});
    again::<devportal_api::APIProduct>(from, &mut into, |it| it.status = None);
    if variant != Variant::WithoutRequests {
        again::<APIKeyRequest>(from, &mut into, |it| it.status = None);
    }
    if variant != Variant::WithoutApprovals {
        again::<APIKeyApproval>(from, &mut into, |it| it.status = None);
    }
    let keys = |into: &mut Cluster| again::<APIKey>(from, into, |it| it.status = None);
    if variant != Variant::KeysLast {
        keys(&mut into);
    }
    let mut it = Simulation::of(into);
    it.settle();
    if variant == Variant::KeysLast {
        keys(&mut it.cluster);
        it.settle();
    }
    it.cluster.collect();
    it.settle();
    oracle::check(&it);
    it
}

fn values(it: &Simulation) -> Vec<Vec<String>> {
    let of = |name| {
        it.accepted(name)
            .iter()
            .map(|it| (*it).to_owned())
            .collect()
    };
    ["alice", "bob", "carol"].map(of).to_vec()
}

#[test]
fn restored_keys_work_again_under_their_values() {
    let before = approved();
    for variant in [
        Variant::Whole,
        Variant::WithoutCredentials,
        Variant::WithoutRequests,
        Variant::KeysLast,
    ] {
        let it = restored(&before.cluster, variant);
        for name in ["alice", "bob", "carol"] {
            assert_eq!(it.says(name), WORKING, "{variant:?} {name}");
        }
        assert_eq!(values(&it), values(&before), "{variant:?}");
    }
}

#[test]
fn a_restored_denial_denies_also_beside_an_older_approval() {
    let mut before = approved();
    before.pass(minutes(1));
    for name in ["alice", "carol"] {
        let no = format!("{name}-no");
        let denial = approval(&no, name, false, before.cluster.now);
        before.create(denial);
    }
    before.settle();
    for variant in [
        Variant::Whole,
        Variant::WithoutCredentials,
        Variant::WithoutRequests,
        Variant::KeysLast,
    ] {
        let it = restored(&before.cluster, variant);
        for name in ["alice", "carol"] {
            assert_eq!(it.says(name), ["Denied/Denied"], "{variant:?} {name}");
            assert_eq!(it.accepted(name), Vec::<&str>::new(), "{variant:?} {name}");
        }
        assert_eq!(it.says("bob"), WORKING, "{variant:?}");
    }
}

#[test]
fn a_restore_gives_no_access_that_nobody_decided_on() {
    let before = approved();
    let it = restored(&before.cluster, Variant::WithoutApprovals);
    for name in ["alice", "bob"] {
        assert_eq!(it.says(name), ["Pending/AwaitingApproval"]);
        assert_eq!(it.accepted(name), Vec::<&str>::new());
    }
}

/// As `kubectl delete --cascade=orphan` leaves it.
#[test]
fn what_an_earlier_key_of_the_name_left_is_no_value_for_a_later_one_and_in_nobodys_way() {
    // The controller's clock goes with the API server's, or is behind it.
    for behind in [0, 5] {
        what_was_left_is_no_value(behind);
    }
}

fn what_was_left_is_no_value(behind: i64) {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.put_secret(&copy(), |it| it.owner_uid = None);
    it.cluster.delete::<APIKey>(&pair(CONSUMER, "alice"));
    it.settle();
    assert!(it.cluster.secrets.contains_key(&copy()), "it is orphaned");
    it.cluster.now = at(60 + behind);
    it.create(key("alice"));
    it.cluster.now = at(60);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_ne!(it.accepted("alice"), [value]);
    let digest = &it.cluster.secrets[&copy()].annotations[annotation::DIGEST];
    assert!(!digest.is_empty());
}
