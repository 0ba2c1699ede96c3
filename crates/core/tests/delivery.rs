//! A key that is shown once: its value is in one Secret, and a portal shows it.

use devportal_api::foreign::{AuthPolicy, Kuadrant};
use devportal_api::key::Rotation;
use devportal_api::name::annotation;
use devportal_api::{APIKey, APIKeyApproval};
use devportal_core::Need;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::common::chance::Fault;
use crate::common::cluster::digest;
use crate::common::hands::pair;
use crate::common::portal::offered;
use crate::common::*;
use crate::credential::{WORKING, enforced_name};

fn shown_once() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice").shown_once());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    it
}

/// What a portal shows to whoever opens the page now and asks.
fn claim(it: &mut Simulation) -> Option<String> {
    let name = pair(CONSUMER, "alice");
    it.cluster.look(&name);
    let value = it.cluster.claim(&name);
    it.settle();
    oracle::check(it);
    value
}

fn rotate(it: &mut Simulation, revision: i64, overlap: &str) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.rotation = Some(Rotation {
            revision,
            overlap: Some(overlap.to_owned()),
        });
    });
    it.settle();
    oracle::check(it);
}

fn can_read(it: &Simulation) -> Option<bool> {
    it.key("alice").status.as_ref()?.can_read_secret
}

fn only_value(it: &Simulation) -> String {
    let accepted = it.accepted("alice");
    let [value] = accepted[..] else {
        panic!("{accepted:?}")
    };
    value.to_owned()
}

/// A key whose approval was replaced while the controller was away, and its value.
fn replaced() -> (Simulation, String) {
    let mut it = Simulation::ready(product());
    it.create(key("alice").shown_once());
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    let value = only_value(&it);
    it.pass(jiff::SignedDuration::from_mins(1));
    it.delete::<APIKeyApproval>(OWNER, "yes");
    it.create(approval("yes", "alice", true, at(0)));
    it.restart();
    (it, value)
}

/// Nobody watches any more where it was.
#[test]
fn a_value_that_went_with_kuadrant_is_made_anew_where_kuadrant_is_now() {
    let mut it = shown_once();
    let value = claim(&mut it).unwrap();
    let before = enforced_name(&it);
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    it.cluster.delete_secret(&before);
    it.create(kuadrant_in("elsewhere"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_ne!(only_value(&it), value);
    assert_eq!(can_read(&it), Some(true), "it is to be shown");
}

#[test]
fn an_approval_that_was_replaced_while_the_controller_was_away_costs_no_key_its_value() {
    let (mut it, value) = replaced();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(only_value(&it), value);
}

#[test]
fn a_replaced_approval_costs_no_key_its_value_while_something_else_is_missing_too() {
    let (mut it, value) = replaced();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.create(auth("games"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(only_value(&it), value);
}

#[test]
fn a_replaced_approval_that_cannot_be_tied_gives_no_access_and_says_so_until_somebody_ties_it() {
    let (mut it, _) = replaced();
    it.cluster.refused.insert("APIKeyApproval");
    it.settle();
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    let says_it = |it: &Simulation| {
        let conditions = it.key("alice").status.clone().unwrap().conditions;
        conditions.iter().any(|it| it.reason == "WriteRefused")
    };
    assert!(says_it(&it));
    let request = it.request("alice").unwrap();
    let owner = OwnerReference {
        kind: "APIKeyRequest".into(),
        name: request.metadata.name.clone().unwrap(),
        uid: request.metadata.uid.clone().unwrap(),
        ..OwnerReference::default()
    };
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| {
        it.metadata.owner_references = Some(vec![owner]);
    });
    it.cluster.refused.clear();
    it.settle();
    it.pass(jiff::SignedDuration::from_mins(2));
    assert_eq!(it.says("alice"), WORKING);
    assert!(!says_it(&it));
}

#[test]
fn the_value_is_in_one_secret_from_the_start_and_nobody_reads_another() {
    let mut it = shown_once();
    assert_eq!(it.cluster.secrets.len(), 1);
    let made = it
        .wrote()
        .iter()
        .filter(|it| **it == "create Secret")
        .count();
    assert_eq!(made, 1);
    let status = it.key("alice").status.clone().unwrap();
    assert_eq!(status.secret_ref, None);
    assert_eq!(
        status.credentials[0].digest.as_deref(),
        Some(digest(&only_value(&it)).as_str())
    );
    for decision in it.decisions().values() {
        let mut needs = decision.needs.iter();
        assert!(!needs.any(|it| matches!(it, Need::Secret(_))));
    }
}

#[test]
fn a_value_is_shown_once() {
    let mut it = shown_once();
    let value = only_value(&it);
    assert_eq!(can_read(&it), Some(true));
    assert_eq!(claim(&mut it), Some(value));
    assert_eq!(can_read(&it), Some(false));
    assert_eq!(claim(&mut it), None);
    it.restart();
    it.settle();
    assert_eq!(claim(&mut it), None);
}

#[test]
fn a_rotation_makes_a_value_that_can_be_shown_and_the_old_one_goes_on() {
    let mut it = shown_once();
    let old = claim(&mut it).unwrap();
    rotate(&mut it, 1, "30m");
    assert_eq!(it.accepted("alice").len(), 2);
    let new = claim(&mut it).unwrap();
    assert_ne!(old, new);
    it.pass(minutes(30));
    oracle::check(&it);
    assert_eq!(only_value(&it), new);
    assert_eq!(claim(&mut it), None);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_value_that_a_rotation_brings_back_is_not_shown_again() {
    let mut it = shown_once();
    let first = claim(&mut it).unwrap();
    rotate(&mut it, 1, "30m");
    rotate(&mut it, 0, "30m");
    assert_eq!(only_value(&it), first);
    assert_eq!(claim(&mut it), None);
    rotate(&mut it, 1, "0s");
    assert_ne!(
        claim(&mut it),
        None,
        "another value than the one of 1 before"
    );
}

#[test]
fn changed_terms_leave_the_value_and_what_was_shown() {
    let mut it = shown_once();
    let value = claim(&mut it).unwrap();
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    it.settle();
    oracle::check(&it);
    assert_eq!(only_value(&it), value);
    assert_eq!(
        it.enforced("alice")[0].1.annotations[annotation::PLAN],
        "silver"
    );
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("keys", api_key(&[("api", "two")]))]));
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(only_value(&it), value);
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "two");
    assert_eq!(claim(&mut it), None);
}

#[test]
fn a_secret_that_is_deleted_or_tampered_with_is_replaced_by_another_value() {
    let mut it = shown_once();
    let mut last = claim(&mut it).unwrap();
    for tampers in [false, true] {
        let name = enforced_name(&it);
        if tampers {
            it.cluster
                .put_secret(&name, |it| it.value = Some("mallory".into()));
        } else {
            it.cluster.delete_secret(&name);
        }
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING);
        let value = claim(&mut it).unwrap();
        assert!(value != last && value != "mallory");
        last = value;
    }
}

#[test]
fn a_key_that_is_denied_and_approved_again_has_another_value() {
    let mut it = shown_once();
    let old = claim(&mut it).unwrap();
    it.create(approval("no", "alice", false, it.cluster.now + minutes(1)));
    it.settle();
    oracle::check(&it);
    assert!(it.cluster.secrets.is_empty());
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    oracle::check(&it);
    assert!(claim(&mut it).is_some_and(|new| new != old));
}

#[test]
fn whatever_answer_is_lost_there_is_one_value_of_a_revision() {
    for lost in 0..8 {
        for fault in [Fault::Unanswered, Fault::CrashAfter, Fault::CrashBefore] {
            let mut it = Simulation::ready(product().automatic());
            it.create(key("alice").shown_once());
            it.fault_at = Some((lost, fault));
            it.settle();
            oracle::check(&it);
            let first = claim(&mut it).unwrap();
            it.fault_at = Some((it.writes.len() + lost, fault));
            rotate(&mut it, 1, "30m");
            let both = it.accepted("alice");
            assert_eq!(both.len(), 2, "{lost} {fault:?}");
            assert!(both.contains(&first.as_str()));
            assert!(claim(&mut it).is_some());
            assert_eq!(it.cluster.generated, 2, "{lost} {fault:?}");
        }
    }
}

/// Somebody claims the old value while the new one is told, at every moment of it.
#[test]
fn a_claim_that_races_with_a_rotation_shows_what_was_claimed_and_leaves_the_new_value() {
    for steps in 0..12 {
        for lost in 0..6 {
            let mut it = shown_once();
            let name = pair(CONSUMER, "alice");
            it.cluster.look(&name);
            it.edit::<APIKey>(CONSUMER, "alice", |it| {
                it.spec.rotation = Some(Rotation {
                    revision: 1,
                    overlap: None,
                });
            });
            it.fault_at = Some((it.writes.len() + lost, Fault::Unanswered));
            for _ in 0..steps {
                it.step();
            }
            it.cluster.look(&name);
            let told = offered(it.key("alice")).map(str::to_owned);
            let shown = it.cluster.claim(&name);
            assert_eq!(shown.map(|it| digest(&it)), told, "{steps} {lost}");
            it.settle();
            oracle::check(&it);
            let is_old = told != offered(it.key("alice")).map(str::to_owned);
            assert_eq!(claim(&mut it).is_some(), is_old, "{steps} {lost}");
        }
    }
}

#[test]
fn a_page_that_is_old_shows_nothing() {
    let mut it = shown_once();
    it.cluster.look(&pair(CONSUMER, "alice"));
    rotate(&mut it, 1, "0s");
    assert_eq!(it.cluster.claim(&pair(CONSUMER, "alice")), None);
    assert!(claim(&mut it).is_some());
}

#[test]
fn without_kuadrant_for_a_while_nothing_is_offered_again() {
    let mut it = shown_once();
    let value = claim(&mut it).unwrap();
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    it.restart();
    it.settle();
    it.create(kuadrant());
    it.settle();
    oracle::check(&it);
    assert_eq!(only_value(&it), value);
    assert_eq!(claim(&mut it), None);
}

#[test]
fn a_definition_that_keeps_no_digests_leaves_to_portals_what_they_wrote() {
    for field in ["credentials", "credentials.digest"] {
        let mut it = Simulation::ready(product().automatic());
        it.cluster.pruned = vec![("APIKey", field)];
        it.create(key("alice").shown_once());
        it.settle();
        assert_eq!(it.says("alice"), WORKING);
        it.edit::<APIKey>(CONSUMER, "alice", |it| {
            it.status.as_mut().unwrap().can_read_secret = Some(false);
        });
        it.wrote();
        rotate_unchecked(&mut it);
        assert_eq!(can_read(&it), Some(false), "{field}");
        assert!(it.wrote().len() < 6, "{field}: it is quiet then");
    }
}

fn rotate_unchecked(it: &mut Simulation) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.rotation = Some(Rotation {
            revision: 1,
            overlap: None,
        });
    });
    it.settle();
}

#[test]
fn a_key_that_goes_leaves_no_value() {
    let mut it = shown_once();
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert!(it.cluster.secrets.is_empty());
}
