//! What becomes of a key when something comes between it and its Secrets.

use devportal_api::APIKey;
use devportal_api::foreign::AuthPolicy;
use devportal_api::name::label;
use jiff::SignedDuration;

use crate::common::cluster::Admission;
use crate::common::hands::pair;
use crate::common::*;
use crate::credential::WORKING;

fn asked(admission: Admission) -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.cluster.admission = admission;
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.settle();
    it
}

#[test]
fn labels_that_others_add_to_a_credential_are_theirs() {
    let it = asked(Admission::AddsALabel);
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    let enforced = it.enforced("alice");
    assert_eq!(enforced.len(), 1);
    assert_eq!(enforced[0].1.labels["team"], "payments");
}

#[test]
fn credentials_that_do_not_stay_as_they_were_made_are_not_made_without_end() {
    for label in [label::MANAGED_BY, label::PRODUCT, label::PRODUCT_NAMESPACE] {
        let mut it = asked(Admission::Changes(label));
        let says = ["Approved/Approved", "!Enforced/SecretsAltered"];
        assert_eq!(it.says("alice"), says, "{label}");
        let written = it.enforced("alice");
        let names: Vec<_> = written.iter().map(|(name, _)| (*name).clone()).collect();
        assert!(names.len() <= 2, "{names:?}");

        it.cluster.admission = Admission::Passes;
        for name in names {
            it.cluster.delete_secret(&name);
        }
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING);
    }
}

#[test]
fn a_refused_credential_is_told_and_asked_for_again_ever_more_rarely() {
    let mut it = asked(Admission::Refuses);
    let says = ["Approved/Approved", "!Enforced/SecretRefused"];
    assert_eq!(it.says("alice"), says);
    it.wrote();
    let mut tries = 0;
    for _ in 0..600 {
        it.pass(SignedDuration::from_secs(1));
        let wrote = it.wrote();
        assert!(
            wrote.iter().all(|it| *it == "create Secret"),
            "nothing new to tell"
        );
        tries += wrote.len();
    }
    assert!((10..=20).contains(&tries), "{tries} in ten minutes");
    it.cluster.admission = Admission::Passes;
    it.pass(SignedDuration::from_mins(1));
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_refused_credential_holds_up_no_other_key() {
    let mut it = asked(Admission::Refuses);
    it.cluster.admission = Admission::Passes;
    it.bring("other", Some("value"));
    it.create(key("bob").brought("other"));
    it.settle();
    assert_eq!(it.says("bob"), WORKING);
    assert!(!it.cluster.secrets.is_empty());
    assert!(it.cluster.secrets.contains_key(&pair(CONSUMER, "other")));
}

#[test]
fn a_secret_that_may_not_be_read_is_told_and_the_owner_decides_all_the_same() {
    for key in [key("alice"), key("alice").brought("own")] {
        let mut it = Simulation::ready(product());
        it.cluster.forbidden.insert(CONSUMER.to_owned());
        it.bring("own", Some("secret"));
        it.create(key);
        it.settle();
        assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
        it.create(approval("yes", "alice", true, at(1)));
        it.settle();
        let says = ["Approved/Approved", "!Enforced/SecretForbidden"];
        assert_eq!(it.says("alice"), says);
        assert_eq!(it.enforced("alice"), vec![]);
        it.permit();
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING);
    }
}

#[test]
fn losing_the_right_to_read_secrets_is_told_at_once_and_what_was_approved_since_holds() {
    let mut it = crate::credential::brought();
    it.cluster.forbidden.insert(CONSUMER.to_owned());
    it.read_anew();
    it.settle();
    let says = ["Approved/Approved", "!Enforced/SecretForbidden"];
    assert_eq!(it.says("alice"), says);
    assert_eq!(it.accepted("alice"), ["secret"]);
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        let rules = rules([("keys", api_key(&[("api", "renamed")]))]);
        it.spec.rules = Some(rules);
    });
    it.settle();
    assert_eq!(it.says("alice"), says);
    let (_, secret) = it.enforced("alice")[0];
    assert_eq!(secret.labels["api"], "renamed");
    it.permit();
    it.settle();
    assert_eq!(it.says("alice"), crate::credential::WORKING);
}

#[test]
fn losing_the_right_to_read_secrets_takes_no_key_down_and_holds_no_revocation_up() {
    let mut it = crate::credential::brought();
    it.cluster.forbidden.insert(CONSUMER.to_owned());
    it.restart();
    it.settle();
    assert_eq!(it.accepted("alice"), ["secret"]);
    let says = ["Approved/Approved", "!Enforced/SecretForbidden"];
    assert_eq!(it.says("alice"), says);
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert_eq!(it.enforced("alice"), vec![]);
}
