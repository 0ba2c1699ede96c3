//! Decisions taken by patching `status.phase`, where that is switched on.

use devportal_api::key::Phase;
use devportal_api::{APIKey, APIKeyApproval};
use devportal_core::Settings;

use crate::common::*;

const DECIDES: Settings = Settings {
    phase_decides: true,
    refuses_own: false,
    refuses_weak: false,
    refuses_drafts: false,
};
const APPROVED: [&str; 2] = ["Approved/Approved", "Enforced/Enforced"];
const DENIED: [&str; 1] = ["Denied/Denied"];
const PENDING: [&str; 1] = ["Pending/AwaitingApproval"];

fn asked(settings: Settings) -> Simulation {
    let mut simulation = Simulation::ready(product()).set(settings);
    simulation.create(key("alice"));
    simulation.settle();
    simulation
}

fn patch(simulation: &mut Simulation, phase: Phase, by: Option<&str>) {
    simulation.edit::<APIKey>(CONSUMER, "alice", |it| {
        let status = it.status.get_or_insert_default();
        status.phase = Some(phase);
        if let Some(by) = by {
            status.reviewed_by = Some(by.into());
        }
    });
    simulation.settle();
    oracle::check(simulation);
}

fn phase(simulation: &Simulation) -> Option<Phase> {
    simulation.key("alice").status.as_ref()?.phase
}

#[test]
fn a_patched_phase_decides_nothing_unless_switched_on() {
    let mut it = asked(Settings::default());
    patch(&mut it, Phase::Approved, Some("mallory"));
    assert_eq!(it.says("alice"), PENDING);
    assert_eq!(phase(&it), Some(Phase::Pending));
    assert!(it.accepted("alice").is_empty());
}

#[test]
fn a_patched_phase_becomes_an_approval_by_who_the_patch_names() {
    let mut it = asked(DECIDES);
    patch(&mut it, Phase::Approved, Some("olivia"));
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(it.message("alice"), "API key request approved by olivia");
    let approvals: Vec<_> = it.cluster.approvals.values().collect();
    let [approval] = approvals[..] else {
        panic!("{approvals:?}")
    };
    assert_eq!(approval.spec.reason.as_deref(), Some("PhasePatched"));
}

#[test]
fn a_patch_that_names_nobody_is_not_put_in_anyones_mouth() {
    let mut it = asked(DECIDES);
    patch(&mut it, Phase::Approved, None);
    assert_eq!(it.message("alice"), "API key request approved by unknown");
}

#[test]
fn rejecting_by_phase_takes_the_credential_away_and_approving_brings_it_back() {
    let mut it = asked(DECIDES);
    patch(&mut it, Phase::Approved, Some("olivia"));
    let value = it.accepted("alice")[0].to_owned();
    patch(&mut it, Phase::Rejected, Some("olivia"));
    assert_eq!(it.says("alice"), DENIED);
    assert!(it.accepted("alice").is_empty());
    patch(&mut it, Phase::Approved, Some("olivia"));
    assert_eq!(it.says("alice"), APPROVED);
    assert_ne!(it.accepted("alice"), [value]);
}

#[test]
fn an_approval_object_overrules_an_earlier_patch_and_is_not_overruled_by_its_mirror() {
    let mut it = asked(DECIDES);
    patch(&mut it, Phase::Approved, Some("olivia"));
    it.cluster.now += minutes(1);
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(phase(&it), Some(Phase::Rejected));
    it.restart();
    it.settle();
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(it.cluster.approvals.len(), 2);
}

#[test]
fn what_the_controller_mirrors_is_no_decision() {
    let mut it = asked(DECIDES);
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    assert_eq!(phase(&it), Some(Phase::Approved));
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(it.cluster.approvals.len(), 1);
    assert!(it.accepted("alice").is_empty());
}

#[test]
fn a_patch_before_the_request_exists_is_not_lost() {
    let mut it = Simulation::ready(product()).set(DECIDES);
    it.create(key("alice"));
    patch(&mut it, Phase::Approved, Some("olivia"));
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn a_pending_phase_decides_nothing() {
    let mut it = asked(DECIDES);
    patch(&mut it, Phase::Approved, Some("olivia"));
    patch(&mut it, Phase::Pending, None);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(phase(&it), Some(Phase::Approved));
}

#[test]
fn a_denial_by_phase_is_not_shed_with_the_key_and_is_lifted_by_phase() {
    let mut it = Simulation::ready(product().automatic()).set(DECIDES);
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.pass(minutes(1));
    patch(&mut it, Phase::Rejected, Some("olga"));
    assert_eq!(it.says("alice"), DENIED);
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice"), DENIED);
    it.pass(minutes(1));
    patch(&mut it, Phase::Approved, Some("olga"));
    it.pass(minutes(1));
    assert_eq!(it.says("alice"), APPROVED);
}
