//! Of all decisions about a request, which one counts.

use devportal_api::APIKeyApproval;
use devportal_api::{APIKey, APIKeyRequest};
use jiff::SignedDuration;
use kube::{Resource, ResourceExt};

use crate::common::*;

fn asked() -> Simulation {
    let mut simulation = Simulation::ready(product());
    simulation.create(key("alice"));
    simulation.settle();
    simulation
}

fn after(decisions: impl IntoIterator<Item = APIKeyApproval>) -> Vec<String> {
    let mut simulation = asked();
    for decision in decisions {
        simulation.create(decision);
    }
    simulation.settle();
    oracle::check(&simulation);
    simulation.says("alice")
}

const APPROVED: [&str; 2] = ["Approved/Approved", "Enforced/Enforced"];
const DENIED: [&str; 1] = ["Denied/Denied"];
const PENDING: [&str; 1] = ["Pending/AwaitingApproval"];

#[test]
fn the_newest_review_decides() {
    let yes = approval("yes", "alice", true, at(20));
    let no = approval("no", "alice", false, at(10));
    assert_eq!(after([yes.clone(), no.clone()]), APPROVED);
    assert_eq!(after([no, yes]), APPROVED);
    let yes = approval("yes", "alice", true, at(10));
    let no = approval("no", "alice", false, at(20));
    assert_eq!(after([yes, no]), DENIED);
}

#[test]
fn of_reviews_at_one_time_the_one_created_last_decides() {
    let mut simulation = asked();
    simulation.create(approval("no", "alice", false, at(10)));
    simulation.cluster.now = at(1);
    simulation.create(approval("yes", "alice", true, at(10)));
    simulation.settle();
    assert_eq!(simulation.says("alice"), APPROVED);
}

#[test]
fn a_denial_wins_a_tie() {
    let decisions = ["a", "b"].map(|name| approval(name, "alice", name == "b", at(10)));
    assert_eq!(after(decisions), DENIED);
    let decisions = ["a", "b"].map(|name| approval(name, "alice", name == "a", at(10)));
    assert_eq!(after(decisions), DENIED);
}

#[test]
fn an_approval_made_before_its_request_counts_once_the_request_is_there() {
    let mut simulation = Simulation::ready(product());
    simulation.create(approval("early", "alice", true, at(0)));
    simulation.settle();
    let told = |simulation: &Simulation| {
        let status = simulation.cluster.approvals[&(OWNER.into(), "early".into())]
            .status
            .clone();
        let valid = &status.unwrap().conditions[0];
        (valid.status.clone(), valid.reason.clone())
    };
    assert_eq!(
        told(&simulation),
        ("False".into(), "APIKeyRequestNotFound".into())
    );
    simulation.create(key("alice"));
    simulation.settle();
    assert_eq!(told(&simulation), ("True".into(), "Valid".into()));
    assert_eq!(simulation.says("alice"), APPROVED);
}

#[test]
fn an_approval_in_another_namespace_never_counts() {
    let mut foreign = approval("foreign", "alice", true, at(0));
    foreign.metadata.namespace = Some(CONSUMER.into());
    assert_eq!(after([foreign]), PENDING);
}

#[test]
fn an_approval_of_an_earlier_key_of_the_same_name_does_not_count() {
    let mut simulation = asked();
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.settle();
    simulation.delete::<APIKey>(CONSUMER, "alice");
    simulation.create(key("alice"));
    simulation.settle();
    simulation.cluster.collect();
    simulation.settle();
    assert_eq!(simulation.says("alice"), PENDING);
    assert!(simulation.cluster.approvals.is_empty());
}

#[test]
fn an_approval_outlives_nothing_but_its_request() {
    let mut simulation = asked();
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.settle();
    let id = request_id("alice");
    simulation.delete::<APIKeyRequest>(&id.namespace, &id.name);
    simulation.settle();
    assert!(simulation.cluster.approvals.is_empty());
    assert_eq!(simulation.says("alice"), PENDING);
}

#[test]
fn an_approval_is_tied_to_its_request() {
    let mut simulation = asked();
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.settle();
    let request = simulation.request("alice").unwrap();
    let tied = &simulation.cluster.approvals[&(OWNER.into(), "yes".into())];
    let owner = &tied.owner_references()[0];
    assert_eq!(
        (
            owner.kind.as_str(),
            &owner.name,
            Some(&owner.uid),
            owner.controller
        ),
        (
            "APIKeyRequest",
            &request.name_any(),
            request.meta().uid.as_ref(),
            Some(true)
        )
    );
}

#[test]
fn approved_then_denied_then_approved_again_takes_the_key_away_and_gives_it_back() {
    let mut simulation = Simulation::ready(product());
    simulation.bring("own", Some("secret"));
    simulation.create(key("alice").brought("own"));
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.settle();
    let mut change_mind = |approved: bool| {
        simulation.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = approved);
        simulation.settle();
        let accepted: Vec<_> = simulation
            .accepted("alice")
            .iter()
            .map(|it| (*it).to_owned())
            .collect();
        (simulation.says("alice"), accepted)
    };
    assert_eq!(
        change_mind(false),
        (DENIED.map(str::to_owned).into(), vec![])
    );
    assert_eq!(
        change_mind(true),
        (
            APPROVED.map(str::to_owned).into(),
            vec!["secret".to_owned()]
        )
    );
}

#[test]
fn conflicting_approvals_cause_no_writes_when_nothing_happens() {
    let mut simulation = asked();
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.create(approval("no", "alice", false, at(0)));
    simulation.settle();
    simulation.wrote();
    simulation.relist();
    simulation.pass(minutes(10));
    assert_eq!(simulation.wrote(), Vec::<&str>::new());
}

#[test]
fn a_decision_at_the_end_of_time_is_outlived_by_none_and_harms_nothing() {
    let end = jiff::Timestamp::MAX;
    assert_eq!(after([approval("no", "alice", false, end)]), DENIED);
    let mut simulation = Simulation::ready(product().automatic());
    simulation.create(key("alice"));
    simulation.settle();
    simulation.edit::<APIKeyApproval>(OWNER, &auto(), |it| it.spec.reviewed_at.0 = end);
    simulation.settle();
    simulation.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    simulation.settle();
    let waits = ["Approved/Approved", "!Enforced/AwaitingReapproval"];
    assert_eq!(simulation.says("alice"), waits, "no decision is later");
    assert_eq!(simulation.accepted("alice").len(), 1);
}

fn auto() -> String {
    devportal_api::name::auto_approval(&request_id("alice")).name
}

#[test]
fn a_request_whose_name_was_taken_is_made_once_the_name_is_free() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.settle();
    let taken = it.request("alice").unwrap().clone();
    let id = request_id("alice");
    it.edit::<APIKeyRequest>(&id.namespace, &id.name, |it| {
        it.spec.api_key_ref.name = "nobody".into();
    });
    it.settle();
    it.pass(SignedDuration::from_secs(15));
    let made = it.request("alice").unwrap();
    assert_eq!(made.spec, taken.spec);
    oracle::check(&it);
}
