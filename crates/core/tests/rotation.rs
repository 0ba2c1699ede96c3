//! A new value for a generated key, with a time in which both work.

use devportal_api::APIKey;
use devportal_api::foreign::AuthPolicy;
use devportal_api::key::Rotation;
use devportal_api::name::annotation;

use crate::common::cluster::{self, Admission};
use crate::common::hands::pair;
use crate::common::*;
use crate::credential::{WORKING, brought, copy, generated};

fn rotate(it: &mut Simulation, revision: i64, overlap: Option<&str>) {
    rotate_unchecked(it, revision, overlap);
    oracle::check(it);
}

/// The same where the API server refuses what follows from it.
fn rotate_unchecked(it: &mut Simulation, revision: i64, overlap: Option<&str>) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.rotation = Some(Rotation {
            revision,
            overlap: overlap.map(str::to_owned),
        });
    });
    it.settle();
}

/// The values the gateway accepts, sorted.
fn accepted(it: &Simulation) -> Vec<String> {
    let mut values: Vec<_> = it
        .accepted("alice")
        .into_iter()
        .map(str::to_owned)
        .collect();
    values.sort();
    values
}

fn sorted(values: &[&String]) -> Vec<String> {
    let mut values: Vec<String> = values.iter().map(|it| (*it).clone()).collect();
    values.sort();
    values
}

fn value(it: &Simulation) -> String {
    it.cluster.secrets[&copy()].value.clone().unwrap()
}

#[test]
fn both_values_work_for_the_overlap_and_then_the_new_one_alone() {
    let mut it = generated();
    let old = value(&it);
    rotate(&mut it, 1, Some("30m"));
    let new = value(&it);
    assert_ne!(old, new);
    assert_eq!(accepted(&it), sorted(&[&old, &new]));
    it.pass(minutes(29));
    assert_eq!(accepted(&it), sorted(&[&old, &new]));
    it.pass(minutes(1));
    oracle::check(&it);
    assert_eq!(value(&it), new);
    assert_eq!(accepted(&it), [new]);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn the_overlap_is_two_hours_unless_said_otherwise() {
    let mut it = generated();
    rotate(&mut it, 1, None);
    it.pass(minutes(119));
    assert_eq!(accepted(&it).len(), 2);
    it.pass(minutes(1));
    assert_eq!(accepted(&it).len(), 1);
}

#[test]
fn without_an_overlap_the_old_value_ends_as_soon_as_the_new_one_works() {
    let mut it = generated();
    rotate(&mut it, 1, Some("0s"));
    assert_eq!(accepted(&it), [value(&it)]);
}

#[test]
fn the_old_value_ends_on_time_also_across_a_restart_and_while_the_policy_is_not_ready() {
    let mut it = generated();
    let old = value(&it);
    rotate(&mut it, 1, Some("30m"));
    it.restart();
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.tell(&[("Accepted", true), ("Enforced", false)]);
    });
    it.pass(minutes(30));
    assert!(!accepted(&it).contains(&old));
    assert_eq!(accepted(&it), [value(&it)]);
}

#[test]
fn the_status_lists_what_works_and_until_when() {
    let mut it = generated();
    rotate(&mut it, 7, Some("1h30m"));
    let status = it.key("alice").status.clone().unwrap();
    let live: Vec<_> = status
        .credentials
        .iter()
        .map(|it| (it.revision, it.ends_at.clone().map(|at| at.0)))
        .collect();
    assert_eq!(live, [(0, Some(it.cluster.now + minutes(90))), (7, None)]);
}

#[test]
fn several_rotations_each_give_their_predecessor_its_own_overlap() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    let second = value(&it);
    it.pass(minutes(20));
    rotate(&mut it, 2, Some("30m"));
    let third = value(&it);
    assert_eq!(accepted(&it).len(), 3);
    it.pass(minutes(10));
    assert_eq!(accepted(&it), sorted(&[&second, &third]));
    it.pass(minutes(20));
    assert_eq!(accepted(&it), [third]);
}

#[test]
fn a_shorter_overlap_counts_for_all_values_before_also_within_a_second() {
    let mut it = generated();
    rotate(&mut it, 1, Some("2h"));
    rotate(&mut it, 2, Some("2h"));
    rotate(&mut it, 3, Some("30m"));
    let third = value(&it);
    assert_eq!(accepted(&it).len(), 4);
    it.pass(minutes(29));
    assert_eq!(accepted(&it).len(), 4);
    it.pass(minutes(1));
    assert_eq!(accepted(&it), [third]);
}

#[test]
fn a_change_of_plan_during_the_overlap_reaches_both_values_and_prolongs_nothing() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    let both = accepted(&it);
    it.pass(minutes(10));
    rotate(&mut it, 2, Some("30m"));
    let third = value(&it);
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    it.settle();
    oracle::check(&it);
    assert_eq!(accepted(&it), sorted(&[&both[0], &both[1], &third]));
    for (_, secret) in it.enforced("alice") {
        assert_eq!(secret.annotations[annotation::PLAN], "silver");
    }
    it.pass(minutes(20));
    assert_eq!(accepted(&it).len(), 2);
    it.pass(minutes(10));
    assert_eq!(accepted(&it), [third]);
}

#[test]
fn whoever_rotates_without_end_has_no_more_than_thirty_two_values() {
    let mut it = generated();
    for revision in 1..40 {
        rotate(&mut it, revision, None);
    }
    assert_eq!(accepted(&it).len(), 32);
    assert!(accepted(&it).contains(&value(&it)));
}

#[test]
fn the_copy_is_mended_with_the_value_of_its_revision() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    let new = value(&it);
    it.cluster.delete_secret(&copy());
    it.settle();
    assert_eq!(value(&it), new);
    it.cluster
        .put_secret(&copy(), |it| it.value = Some("mallory".into()));
    it.settle();
    oracle::check(&it);
    assert_eq!(value(&it), new);
}

#[test]
fn denying_a_key_ends_every_value() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    it.create(approval("no", "alice", false, it.cluster.now + minutes(1)));
    it.settle();
    assert_eq!(accepted(&it), Vec::<String>::new());
}

#[test]
fn a_brought_key_has_the_value_that_was_brought() {
    let mut it = brought();
    rotate(&mut it, 1, Some("30m"));
    assert_eq!(accepted(&it), ["secret"]);
    it.cluster.put_secret(&pair(CONSUMER, "own"), |it| {
        it.value = Some("another".into());
    });
    it.settle();
    assert_eq!(accepted(&it), ["another"]);
}

#[test]
fn a_rotation_costs_five_writes() {
    let mut it = generated();
    it.wrote();
    rotate(&mut it, 1, Some("30m"));
    let mut wrote = it.wrote();
    wrote.sort_unstable();
    let expected = [
        "create Secret",
        "create Secret",
        "delete source",
        "key status",
        "request status",
    ];
    assert_eq!(wrote, expected);
}

#[test]
fn nobody_is_given_a_new_value_that_the_gateway_does_not_accept() {
    let mut it = generated();
    let old = value(&it);
    it.cluster.admission = Admission::Refuses;
    rotate_unchecked(&mut it, 1, None);
    assert_eq!(value(&it), old);
    assert_eq!(accepted(&it), [&*old]);
    it.cluster.admission = Admission::Passes;
    it.pass(minutes(2));
    oracle::check(&it);
    assert_ne!(value(&it), old);
    assert!(accepted(&it).contains(&value(&it)));
}

#[test]
fn what_is_made_again_prolongs_no_value_before_it() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    let new = value(&it);
    it.pass(minutes(20));
    let of_new = it.enforced("alice").into_iter();
    let of_new: Vec<_> = of_new
        .filter(|(_, it)| it.value.as_ref() == Some(&new))
        .map(|(name, _)| name.clone())
        .collect();
    it.cluster.delete_secret(&of_new[0]);
    it.settle();
    assert_eq!(accepted(&it).len(), 2);
    it.pass(minutes(10));
    assert_eq!(accepted(&it), [new]);
}

#[test]
fn a_value_that_was_brought_is_no_revision_of_a_generated_one() {
    let mut it = generated();
    rotate(&mut it, 1, Some("30m"));
    it.pass(minutes(40));
    it.bring("own", Some("my-own"));
    it.wrote();
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().brought("own"));
    it.settle();
    assert_eq!(accepted(&it), ["my-own"]);
    let made = it.wrote();
    let made = made.iter().filter(|it| **it == "create Secret");
    assert_eq!(made.count(), 1, "once");
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.secret_ref = None);
    it.settle();
    oracle::check(&it);
    assert_eq!(accepted(&it), [value(&it)], "none goes on for a while");
    let told = it.key("alice").status.clone().unwrap().credentials;
    let brought = cluster::digest("my-own");
    assert!(
        told.iter()
            .all(|it| it.digest.as_deref() != Some(&*brought))
    );
}
