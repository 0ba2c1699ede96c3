//! Of all decisions about a request, which one counts.

use devportal_api::APIKeyApproval;
use devportal_api::foreign::AuthPolicy;
use devportal_api::name::annotation;
use devportal_api::product::ApprovalMode;
use devportal_api::{APIKey, APIKeyRequest, APIProduct};
use devportal_core::Settings;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use crate::common::chance::Fault;
use crate::common::*;

fn asked() -> Simulation {
    let mut simulation = Simulation::ready(product());
    simulation.create(key("alice"));
    simulation.settle();
    // Nobody decides ahead of time.
    simulation.cluster.now = at(100);
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
fn what_an_approval_covers_is_noted_on_the_version_that_was_seen_before_it_is_tied() {
    let mut it = asked();
    it.wrote();
    it.create(approval("yes", "alice", true, at(20)));
    it.settle();
    let mut wrote = it.wrote();
    wrote.retain(|it| it.contains("approval"));
    assert_eq!(wrote[..2], ["approval status", "adopt approval"]);
}

#[test]
fn of_reviews_at_one_time_the_one_created_last_decides() {
    let mut simulation = asked();
    simulation.create(approval("no", "alice", false, at(10)));
    simulation.cluster.now = at(101);
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

/// As the published controller makes them.
#[test]
fn a_request_that_notes_no_key_is_not_inherited_by_a_later_one() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let id = request_id("alice");
    it.edit::<APIKeyRequest>(&id.namespace, &id.name, |it| {
        it.spec.api_key_ref.uid = None;
        it.metadata.annotations = None;
    });
    it.cluster.now = at(200);
    it.cluster
        .delete::<APIKey>(&(CONSUMER.into(), "alice".into()));
    it.create(key("alice"));
    // Nobody saw the key go.
    it.restart();
    it.settle();
    it.cluster.collect();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), PENDING);
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
    oracle::check(&simulation);
    assert_eq!(
        simulation.says("alice"),
        APPROVED,
        "nobody decides ahead of time"
    );
    assert_eq!(simulation.accepted("alice").len(), 1);
}

fn told(it: &Simulation, approval: &str, kind: &str) -> Option<String> {
    let approval = &it.cluster.approvals[&(OWNER.into(), approval.into())];
    let conditions = approval.status.as_ref()?.conditions.iter();
    let mut of_kind = conditions.filter(|it| it.type_ == kind);
    of_kind.next().map(|it| it.message.clone())
}

#[test]
fn who_decides_later_is_heard_however_far_ahead_the_clock_of_the_first_is() {
    for approved in [true, false] {
        let mut it = asked();
        it.create(approval("ahead", "alice", approved, at(7300)));
        it.pass(minutes(1));
        it.create(approval("later", "alice", !approved, it.cluster.now));
        it.settle();
        oracle::check(&it);
        let expected: &[&str] = if approved { &DENIED } else { &APPROVED };
        assert_eq!(it.says("alice"), expected);
        assert_eq!(told(&it, "later", "Overruled"), None);
        // Nor does the first come back when its time does.
        it.pass(minutes(180));
        oracle::check(&it);
        assert_eq!(it.says("alice"), expected);
    }
}

#[test]
fn a_decision_that_is_edited_to_a_time_ahead_counts_from_when_it_was_seen() {
    let mut it = asked();
    it.create(approval("first", "alice", false, at(90)));
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "first", |it| {
        it.spec.approved = true;
        it.spec.reviewed_at.0 = at(7300);
    });
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.pass(minutes(1));
    it.create(approval("later", "alice", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    it.restart();
    it.pass(minutes(180));
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn whoever_mends_the_words_of_a_decision_that_is_dated_ahead_decides_nothing() {
    for (approved, is_edited) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut it = asked();
        let ahead = at(7300);
        let dated = if is_edited { at(90) } else { ahead };
        it.create(approval("ahead", "alice", approved, dated));
        it.settle();
        if is_edited {
            it.edit::<APIKeyApproval>(OWNER, "ahead", |it| it.spec.reviewed_at.0 = ahead);
            it.settle();
        }
        it.pass(minutes(1));
        it.create(approval("later", "alice", !approved, it.cluster.now));
        it.settle();
        let expected = it.says("alice");
        for words in ["A word", "Another word"] {
            it.pass(minutes(1));
            it.edit::<APIKeyApproval>(OWNER, "ahead", |it| it.spec.message = Some(words.into()));
            it.settle();
            oracle::check(&it);
            assert_eq!(it.says("alice"), expected, "{approved} {is_edited}");
        }
        it.edit::<APIKeyApproval>(OWNER, "ahead", |it| it.spec.reviewed_at.0 = at(7400));
        it.settle();
        assert_ne!(it.says("alice"), expected, "taken anew");
    }
}

#[test]
fn a_controller_whose_clock_is_behind_takes_no_edited_denial_for_older_than_it_is() {
    let mut it = asked();
    it.cluster.now = at(600);
    it.create(approval("first", "alice", true, at(600)));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    // Ours is ten minutes behind the API server's.
    it.cluster.now = at(0);
    it.edit::<APIKeyApproval>(OWNER, "first", |it| {
        it.spec.approved = false;
        it.spec.reviewed_at.0 = at(660);
    });
    it.settle();
    let first = &it.cluster.approvals[&(OWNER.into(), "first".into())];
    let from = first.status.as_ref().unwrap().counts_from.as_ref().unwrap();
    assert_eq!(from.0, at(600), "not before it was created");
}

#[test]
fn a_decision_that_an_earlier_one_overrules_says_by_which() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(90)));
    it.settle();
    // The second reviewer's clock is behind.
    it.create(approval("no", "alice", false, at(60)));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    let message = told(&it, "no", "Overruled").expect("a word");
    assert!(message.contains("owner/yes by olga"), "{message}");
    assert_eq!(told(&it, "yes", "Overruled"), None);
    it.delete::<APIKeyApproval>(OWNER, "yes");
    it.settle();
    assert_eq!(told(&it, "no", "Overruled"), None);
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn a_decision_that_one_dated_ahead_overrules_says_from_when_that_counts() {
    let mut it = asked();
    it.create(approval("ahead", "alice", true, at(7300)));
    it.settle();
    let made = it.cluster.now;
    it.pass(minutes(1));
    it.create(approval("behind", "alice", false, at(50)));
    it.settle();
    let message = told(&it, "behind", "Overruled").expect("a word");
    assert!(message.contains(&format!("made at {made}")), "{message}");
}

#[test]
fn a_person_whose_clock_is_behind_denies_what_was_approved_automatically() {
    let mut it = Simulation::ready(product().automatic());
    it.pass(minutes(30));
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.create(approval("no", "alice", false, at(60)));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(told(&it, "no", "Overruled"), None);
    it.restart();
    it.pass(minutes(60));
    assert_eq!(it.says("alice"), DENIED);
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn an_approval_ahead_of_time_holds_where_the_product_approves_by_itself_from_then_on() {
    let mut it = asked();
    it.create(approval("ahead", "alice", true, at(600)));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.edit::<APIProduct>(OWNER, "games", |it| *it = it.clone().automatic());
    it.settle();
    it.pass(minutes(1));
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    it.pass(minutes(60));
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
}

/// An automatic product, of which Olga denied Alice a key.
fn denied() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.pass(minutes(1));
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    it
}

#[test]
fn a_change_that_a_denial_keeps_from_automatic_approval_says_so() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.create(another());
    it.settle();
    it.pass(minutes(1));
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    assert_eq!(it.says("other"), APPROVED);
    it.edit::<APIKey>(CONSUMER, "other", |it| *it = it.clone().on_tier("silver"));
    it.settle();
    oracle::check(&it);
    let waits = [
        "Approved/Approved",
        "!Enforced/AwaitingReapproval",
        "!ChangeApproved/AwaitingReapproval",
        "!AutomaticApproval/RequesterDenied",
    ];
    assert_eq!(it.says("other"), waits);
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("other"), APPROVED);
}

#[test]
fn a_denial_on_an_automatic_product_is_not_shed_with_the_key() {
    let mut it = denied();
    it.unmake(&key_id("alice"));
    assert!(told(&it, "no", "Stands").is_some_and(|it| it.contains("alice")));
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    // Nor by another name.
    it.create(another());
    it.settle();
    oracle::check(&it);
    let waits = [
        "Pending/AwaitingApproval",
        "!AutomaticApproval/RequesterDenied",
    ];
    assert_eq!(it.says("other"), waits);
    it.edit::<APIKey>(CONSUMER, "other", |it| *it = it.clone().on_tier("silver"));
    it.settle();
    assert_eq!(it.says("other"), waits);
    // Nor from another namespace.
    let mut far = key("alice");
    far.metadata.namespace = Some("elsewhere".into());
    it.create(far);
    it.settle();
    let far = &it.cluster.keys[&("elsewhere".into(), "alice".into())];
    let conditions = &far.status.as_ref().unwrap().conditions;
    let mut reasons = conditions.iter().map(|it| it.reason.as_str());
    assert!(reasons.any(|it| it == "RequesterDenied"), "{conditions:?}");
    it.delete::<APIKey>("elsewhere", "alice");
    // It is nobody else's.
    it.create(key("bob"));
    it.settle();
    assert_eq!(it.says("bob"), APPROVED);
    // The owner lifts it.
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("other"), APPROVED);
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn a_denial_on_an_automatic_product_is_not_shed_by_a_detour() {
    let mut it = denied();
    let ask = |it: &mut Simulation, namespace: &str| {
        let namespace = namespace.to_owned();
        it.edit::<APIKey>(CONSUMER, "alice", move |it| {
            it.spec.api_product_ref.namespace = Some(namespace);
        });
        it.settle();
        it.cluster.collect();
        it.settle();
    };
    let mut elsewhere = product();
    elsewhere.metadata.namespace = Some(CONSUMER.into());
    it.create(elsewhere);
    ask(&mut it, CONSUMER);
    ask(&mut it, OWNER);
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn a_denial_that_stands_is_about_its_requester_and_its_product_whoever_has_the_name() {
    for other in ["product", "manual product", "requester"] {
        let mut it = denied();
        let mut elsewhere = product_named("maps");
        if other == "product" {
            elsewhere = elsewhere.automatic();
        }
        it.create(elsewhere);
        it.create(route("maps"));
        it.create(auth("maps"));
        it.settle();
        it.delete::<APIKey>(CONSUMER, "alice");
        it.settle();
        let mut again = key("alice");
        if other == "requester" {
            again.spec.requested_by.user_id = "bob".into();
        } else {
            again = again.asking_for("maps");
        }
        it.create(again);
        it.settle();
        it.cluster.collect();
        it.settle();
        oracle::check(&it);
        let says = it.says("alice");
        assert!(!says.contains(&DENIED[0].into()), "{other}: {says:?}");
        assert!(
            told(&it, "no", "Stands").is_some_and(|it| it.contains("alice")),
            "{other}"
        );
        it.delete::<APIKey>(CONSUMER, "alice");
        it.settle();
        it.cluster.collect();
        it.settle();
        it.create(key("alice"));
        it.settle();
        assert_eq!(it.says("alice"), DENIED, "{other}");
    }
}

/// A key of Bob's that has the name of Alice's.
fn bobs() -> APIKey {
    let mut it = key("alice");
    it.spec.requested_by.user_id = "bob".into();
    it
}

/// Another key of Alice's.
fn another() -> APIKey {
    let mut it = key("alice");
    it.metadata.name = Some("other".into());
    it
}

/// Another product, which approves by itself or not, beside the usual one.
fn beside(it: &mut Simulation, is_automatic: bool) {
    let maps = product_named("maps");
    it.create(if is_automatic { maps.automatic() } else { maps });
    it.create(route("maps"));
    it.create(auth("maps"));
    it.create(plans("maps"));
    it.settle();
}

fn ask_for(it: &mut Simulation, product: &'static str) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().asking_for(product));
    it.settle();
    oracle::check(it);
}

#[test]
fn what_was_denied_is_not_had_by_asking_for_another_product() {
    let mut stops = [("automatic", denied()), ("manual", suspended())];
    for (mode, it) in &mut stops {
        assert_eq!(it.says("alice"), DENIED, "{mode}");
        beside(it, false);
        ask_for(it, "maps");
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{mode}");
        assert_eq!(it.says("alice"), PENDING, "{mode}");
        // The owner may give them that, and it is not what they are denied.
        it.pass(minutes(1));
        it.create(approval("maps", "alice", true, it.cluster.now));
        it.settle();
        oracle::check(it);
        assert_eq!(it.says("alice"), APPROVED, "{mode}");
        ask_for(it, "games");
        assert_eq!(
            it.says("alice")[1],
            "!Enforced/AwaitingReapproval",
            "{mode}"
        );
        let terms = it.key("alice").status.clone().unwrap().approved_terms;
        assert_eq!(terms.unwrap().api_product_ref.name, "maps", "{mode}");
        let is_kept_out = it
            .says("alice")
            .contains(&"!AutomaticApproval/RequesterDenied".into());
        assert_eq!(is_kept_out, *mode == "automatic");
    }
}

#[test]
fn a_denial_becomes_none_of_another_product_that_is_asked_for_meanwhile() {
    let mut it = suspended();
    beside(&mut it, true);
    ask_for(&mut it, "maps");
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(told(&it, "no", "Stands"), None);
    assert!(told(&it, "no", "Valid").is_some_and(|it| it.contains("something else")));
    ask_for(&mut it, "games");
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

#[test]
fn what_was_denied_is_not_had_in_the_name_of_a_colleague() {
    let mut it = denied();
    set_mode(&mut it, ApprovalMode::Manual);
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.requested_by.user_id = "bob".into();
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    assert_eq!(it.says("alice"), PENDING);
}

#[test]
fn a_denial_while_a_change_waits_is_of_what_is_asked_for_and_of_what_was_approved() {
    for is_automatic in [false, true] {
        let mut it = asked();
        if is_automatic {
            set_mode(&mut it, ApprovalMode::Automatic);
        } else {
            it.create(approval("yes", "alice", true, at(20)));
            it.settle();
        }
        beside(&mut it, false);
        ask_for(&mut it, "maps");
        assert_eq!(it.says("alice")[1], "!Enforced/AwaitingReapproval");
        it.pass(minutes(1));
        it.create(approval("no", "alice", false, it.cluster.now));
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), DENIED);
        ask_for(&mut it, "games");
        assert_eq!(it.says("alice"), DENIED, "automatic: {is_automatic}");
        it.create(product_named("atlas"));
        ask_for(&mut it, "atlas");
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    }
}

#[test]
fn a_denial_that_is_taken_anew_goes_on_denying_what_it_did() {
    let mut it = suspended();
    beside(&mut it, true);
    ask_for(&mut it, "maps");
    assert_eq!(it.says("alice"), APPROVED);
    // Its words are mended: that is no decision about the other.
    it.edit::<APIKeyApproval>(OWNER, "no", |it| it.spec.message = Some("sorry".into()));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    decide_anew(&mut it, "no", false);
    assert_eq!(it.says("alice"), DENIED);
    ask_for(&mut it, "games");
    assert_eq!(it.says("alice"), DENIED);
    ask_for(&mut it, "maps");
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn what_stands_keeps_out_while_it_is_edited_to_approve_something_else() {
    let mut it = denied();
    it.create(another());
    beside(&mut it, false);
    ask_for(&mut it, "maps");
    let waits = [PENDING[0], "!AutomaticApproval/RequesterDenied"];
    assert_eq!(it.says("other"), waits);
    decide_anew(&mut it, "no", true);
    assert_eq!(it.says("alice"), PENDING);
    assert_eq!(it.says("other"), waits);
    ask_for(&mut it, "games");
    assert_eq!(it.says("alice"), waits);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    // Once it approves that, it is lifted.
    decide_anew(&mut it, "no", true);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(it.says("other"), APPROVED);
}

#[test]
fn two_denials_of_a_request_hold_what_each_denies() {
    let mut it = denied();
    beside(&mut it, true);
    ask_for(&mut it, "maps");
    assert_eq!(it.says("alice"), APPROVED);
    decide_anew(&mut it, "no", false);
    it.pass(minutes(1));
    it.create(approval("too", "alice", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    let other = |it: &mut Simulation, name: &'static str, product: &'static str| {
        let mut other = key("alice").asking_for(product);
        other.metadata.name = Some(name.into());
        it.create(other);
        it.settle();
        oracle::check(it);
        assert_eq!(it.says(name)[0], PENDING[0], "{product}");
    };
    other(&mut it, "other-game", "games");
    other(&mut it, "other-map", "maps");
    it.unmake(&key_id("alice"));
    other(&mut it, "third-game", "games");
    other(&mut it, "third-map", "maps");
}

#[test]
fn a_denial_that_stands_is_not_lifted_by_an_approval_that_does_not_count() {
    let mut it = denied();
    it.edit::<APIKeyApproval>(OWNER, "no", |it| {
        it.spec.approved = true;
        it.spec.terms = Some("sha256:of something else".into());
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    assert!(told(&it, "no", "Stands").is_some());
}

/// While a decision is yet to be noted the request stays what it was about.
#[test]
fn a_change_of_the_key_that_overtakes_a_decision_changes_not_what_that_is_about() {
    let mut it = denied();
    beside(&mut it, false);
    ask_for(&mut it, "maps");
    let now = it.cluster.now;
    it.edit::<APIKeyApproval>(OWNER, "no", |it| it.spec.approved = true);
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().asking_for("games"));
    it.restart();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    assert!(told(&it, "no", "Stands").is_some());

    let mut it = asked();
    beside(&mut it, false);
    it.create(approval("no", "alice", false, now));
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().asking_for("maps"));
    it.restart();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), PENDING);
    ask_for(&mut it, "games");
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn a_denial_that_nobody_saw_before_the_key_went_stands_all_the_same() {
    for is_made_anew in [false, true] {
        let mut it = Simulation::ready(product().automatic());
        it.create(key("alice"));
        it.settle();
        it.pass(minutes(1));
        it.create(approval("no", "alice", false, it.cluster.now));
        it.delete::<APIKey>(CONSUMER, "alice");
        if is_made_anew {
            it.create(key("alice"));
        }
        it.create(another());
        it.restart();
        it.settle();
        it.cluster.collect();
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("other")[0], PENDING[0]);
        if is_made_anew {
            assert_eq!(it.says("alice"), DENIED);
        }
    }
}

#[test]
fn a_decision_that_is_edited_while_its_key_goes_keeps_no_request() {
    for approved in [false, true] {
        let mut it = denied();
        it.pass(minutes(1));
        let now = it.cluster.now;
        it.edit::<APIKeyApproval>(OWNER, "no", |it| {
            it.spec.approved = approved;
            it.spec.reviewed_at = Time(now);
        });
        it.delete::<APIKey>(CONSUMER, "alice");
        it.restart();
        it.settle();
        it.cluster.collect();
        it.settle();
        assert!(it.cluster.requests.is_empty(), "{approved}");
        it.pass(minutes(1));
        it.create(key("alice"));
        it.settle();
        oracle::check(&it);
        let says = if approved { &APPROVED[..] } else { &DENIED };
        assert_eq!(it.says("alice"), says);
    }
}

#[test]
fn a_second_denial_that_goes_with_its_request_takes_the_first_not_along() {
    let mut it = denied();
    set_mode(&mut it, ApprovalMode::Manual);
    it.pass(minutes(1));
    it.create(approval("too", "alice", false, it.cluster.now));
    it.settle();
    it.make_anew(key("alice"));
    set_mode(&mut it, ApprovalMode::Automatic);
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn a_denial_that_stands_is_lifted_by_approving_while_nobody_asks_once_that_is_asked_for() {
    let mut it = denied();
    it.unmake(&key_id("alice"));
    decide_anew(&mut it, "no", true);
    it.create(bobs());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert!(told(&it, "no", "Stands").is_some());
    let mut it = denied();
    it.unmake(&key_id("alice"));
    decide_anew(&mut it, "no", true);
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn a_denial_comes_to_stand_when_what_it_denies_approves_by_itself_whatever_is_asked_for_by_then() {
    let mut it = suspended();
    beside(&mut it, false);
    ask_for(&mut it, "maps");
    set_mode(&mut it, ApprovalMode::Automatic);
    assert!(told(&it, "no", "Stands").is_some());
    it.create(another());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("other")[0], PENDING[0]);
}

/// A product that a person decides about, of which Alice had a key until she was denied it.
fn suspended() -> Simulation {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(20)));
    it.settle();
    it.create(approval("no", "alice", false, at(30)));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    it
}

/// As a console does, which has one approval for each request and edits it.
fn decide_anew(it: &mut Simulation, approval: &str, approved: bool) {
    it.pass(minutes(1));
    let now = it.cluster.now;
    it.edit::<APIKeyApproval>(OWNER, approval, |it| {
        it.spec.approved = approved;
        it.spec.reviewed_at = Time(now);
    });
    it.settle();
    oracle::check(it);
}

#[test]
fn a_denial_that_is_taken_anew_is_about_whoever_asks_by_then_and_keeps_out_whom_it_did() {
    let mut it = denied();
    it.pass(minutes(1));
    it.make_anew(bobs());
    assert_eq!(it.says("alice"), APPROVED);
    // Its words are mended: that is no decision about Bob.
    it.edit::<APIKeyApproval>(OWNER, "no", |it| it.spec.message = Some("sorry".into()));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    decide_anew(&mut it, "no", false);
    assert_eq!(it.says("alice"), DENIED);
    let stands = told(&it, "no", "Stands").unwrap_or_default();
    assert!(
        stands.contains("for alice") && stands.contains("for bob"),
        "{stands}"
    );
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice"), DENIED);
    // It cannot be both: what it denies goes on.
    it.make_anew(bobs());
    decide_anew(&mut it, "no", true);
    let waits = [PENDING[0], "!AutomaticApproval/RequesterDenied"];
    assert_eq!(it.says("alice"), waits);
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice"), waits);
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn an_approval_of_another_in_the_place_of_a_denial_that_stands_loses_it_not_and_says_so() {
    let mut it = denied();
    set_mode(&mut it, ApprovalMode::Manual);
    it.make_anew(bobs());
    decide_anew(&mut it, "no", true);
    assert_eq!(it.says("alice"), PENDING);
    assert!(told(&it, "no", "Valid").is_some_and(|it| it.contains("of another name")));
    it.create(approval("yes", "alice", true, it.cluster.now));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    set_mode(&mut it, ApprovalMode::Automatic);
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice")[0], PENDING[0]);
}

#[test]
fn a_decision_that_is_edited_to_be_about_another_request_is_about_that() {
    for approved in [false, true] {
        let mut it = asked();
        it.create(key("bob"));
        it.settle();
        it.create(approval("it", "alice", approved, at(20)));
        it.settle();
        let bobs = request_id("bob").name.to_string();
        it.edit::<APIKeyApproval>(OWNER, "it", move |it| {
            it.spec.api_key_request_ref.name = bobs;
        });
        it.settle();
        it.cluster.collect();
        it.settle();
        oracle::check(&it);
        let decided = if approved { &APPROVED[..] } else { &DENIED[..] };
        assert_eq!(it.says("bob"), decided);
        assert_eq!(it.says("alice"), PENDING);
        // It goes with the request that it names.
        it.delete::<APIKey>(CONSUMER, "alice");
        it.settle();
        it.cluster.collect();
        it.settle();
        assert_eq!(it.says("bob"), decided);
    }
}

#[test]
fn a_denial_stands_while_products_cannot_be_seen() {
    let mut it = denied();
    it.restart_without(&["APIProduct"]);
    it.settle();
    assert!(told(&it, "no", "Stands").is_some());
    let no = &it.cluster.approvals[&(OWNER.into(), "no".into())];
    assert!(no.owner_references().is_empty());
}

#[test]
fn a_denial_that_its_owner_took_back_stands_no_more() {
    let mut it = denied();
    it.pass(minutes(1));
    it.create(approval("yes", "alice", true, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(told(&it, "no", "Stands"), None);
    it.unmake(&key_id("alice"));
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn a_denial_on_a_product_that_a_person_decides_about_goes_with_its_request() {
    let mut it = asked();
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(told(&it, "no", "Stands"), None);
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice"), PENDING);
}

fn set_mode(it: &mut Simulation, mode: ApprovalMode) {
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.approval_mode = mode);
    it.settle();
    oracle::check(it);
}

#[test]
fn a_denial_that_stands_stands_while_a_person_decides_about_the_product_for_a_while() {
    let mut it = denied();
    set_mode(&mut it, ApprovalMode::Manual);
    assert!(told(&it, "no", "Stands").is_some());
    it.make_anew(key("alice"));
    set_mode(&mut it, ApprovalMode::Automatic);
    assert_eq!(it.says("alice"), DENIED);
}

#[test]
fn a_denial_that_stands_stands_while_its_product_is_replaced() {
    let mut it = denied();
    it.delete::<APIProduct>(OWNER, "games");
    it.settle();
    it.unmake(&key_id("alice"));
    it.create(product().automatic());
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
}

/// As a console does that denies by what it finds: the time stays that of before.
fn withdrawn() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    it.pass(minutes(1));
    it.edit::<APIKeyApproval>(OWNER, &auto(), |it| {
        it.spec.approved = false;
        it.spec.reviewed_by = "olga".into();
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), DENIED);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it
}

#[test]
fn an_automatic_approval_that_a_person_withdrew_stays_withdrawn() {
    let mut it = withdrawn();
    let stays = |it: &mut Simulation, step: &str| {
        it.settle();
        it.pass(minutes(1));
        oracle::check(it);
        assert_eq!(it.says("alice"), DENIED, "{step}");
        assert_eq!(it.cluster.approvals.len(), 1, "{step}");
    };
    it.restart();
    stays(&mut it, "restart");
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.use_case = Some("else".into());
    });
    stays(&mut it, "use case");
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    stays(&mut it, "tier");
    set_mode(&mut it, ApprovalMode::Manual);
    stays(&mut it, "manual");
    set_mode(&mut it, ApprovalMode::Automatic);
    stays(&mut it, "automatic");
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.create(auth("games"));
    stays(&mut it, "policy");
    it.edit::<APIKeyApproval>(OWNER, &auto(), |it| it.spec.approved = true);
    it.settle();
    it.pass(minutes(1));
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(it.cluster.approvals.len(), 1);
}

#[test]
fn a_denial_by_editing_the_automatic_approval_is_not_shed_with_the_key() {
    let mut it = withdrawn();
    it.make_anew(key("alice"));
    assert_eq!(it.says("alice"), DENIED);
    // The owner lifts it.
    it.delete::<APIKeyApproval>(OWNER, &auto());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
}

#[test]
fn a_denial_that_has_the_name_of_an_automatic_approval_keeps_nobody_else_out() {
    for other in ["requester", "product"] {
        let mut it = withdrawn();
        it.create(product_named("maps").automatic());
        it.create(route("maps"));
        it.create(auth("maps"));
        it.create(plans("maps"));
        let mut again = key("alice");
        if other == "requester" {
            again.spec.requested_by.user_id = "bob".into();
        } else {
            again = again.asking_for("maps");
        }
        it.make_anew(again);
        assert_eq!(it.says("alice"), APPROVED, "{other}");
        it.wrote();
        it.pass(minutes(10));
        assert_eq!(it.wrote(), Vec::<&str>::new(), "{other}");
        it.make_anew(key("alice"));
        assert_eq!(it.says("alice"), DENIED, "{other}");
    }
}

#[test]
fn an_automatic_approval_beside_a_denial_is_renewed_when_the_denial_is_lifted() {
    let mut it = withdrawn();
    it.make_anew(bobs());
    it.delete::<APIKeyApproval>(OWNER, &auto());
    it.settle();
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(it.cluster.approvals.len(), 1);
}

#[test]
fn an_automatic_approval_that_a_finalizer_holds_on_its_way_out_keeps_no_key_waiting() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, &auto(), |it| {
        it.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    });
    it.delete::<APIKeyApproval>(OWNER, &auto());
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
    it.settle();
    assert_eq!(it.says("alice"), APPROVED, "a change, too");
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    it.cluster.collect();
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED, "and the next key of the name");
}

#[test]
fn a_key_whose_request_cannot_be_made_for_one_that_a_finalizer_holds_says_so() {
    let mut it = asked();
    let held = request_id("alice").name;
    it.edit::<APIKeyRequest>(OWNER, &held, |it| {
        it.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    });
    it.delete::<APIKey>(CONSUMER, "alice");
    it.create(key("alice"));
    it.settle();
    let refused = it.key("alice").status.clone().unwrap().conditions;
    let refused = refused.iter().find(|it| it.message.contains("finalizer"));
    let message = &refused.expect("a word").message;
    assert!(
        message.contains(&format!("APIKeyRequest owner/{held}")),
        "{message}"
    );
    it.edit::<APIKeyRequest>(OWNER, &held, |it| it.metadata.finalizers = None);
    it.delete::<APIKeyRequest>(OWNER, &held);
    it.settle();
    assert_eq!(it.says("alice"), PENDING);
}

#[test]
fn an_edited_denial_that_is_decided_against_later_is_not_told_to_be_overruled() {
    let mut it = asked();
    it.create(approval("first", "alice", true, at(10)));
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "first", |it| it.spec.approved = false);
    it.settle();
    assert_eq!(it.says("alice"), DENIED);
    it.pass(minutes(1));
    it.create(approval("again", "alice", true, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(told(&it, "first", "Overruled"), None);
}

/// As a tool does that applies what it knows of an object.
#[test]
fn an_approval_that_loses_its_owner_reference_goes_on_and_is_tied_again() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(10)));
    it.settle();
    assert_eq!(it.says("alice"), APPROVED);
    it.wrote();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.metadata.owner_references = None);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(it.wrote(), ["adopt approval"]);
}

#[test]
fn an_approval_that_lost_its_owner_reference_is_not_that_of_anothers_key_of_the_name() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(10)));
    it.settle();
    // While the controller is away.
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.metadata.owner_references = None);
    it.delete::<APIKey>(CONSUMER, "alice");
    let mut anothers = key("alice");
    anothers.spec.requested_by.user_id = "bob".into();
    it.create(anothers);
    it.restart();
    it.settle();
    it.pass(minutes(1));
    oracle::check(&it);
    assert_eq!(it.says("alice"), PENDING);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

#[test]
fn a_denial_by_editing_an_older_approval_says_by_what_it_is_overruled() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(10)));
    it.settle();
    it.pass(minutes(1));
    it.create(approval("again", "alice", true, at(90)));
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    let message = told(&it, "yes", "Overruled").expect("a word");
    let counts = format!(
        "owner/again by olga counts instead: it was made at {}",
        at(90)
    );
    assert!(message.contains(&counts), "{message}");
}

fn auto() -> String {
    devportal_api::name::auto_approval(&request_id("alice"))
        .name
        .into()
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

/// What the approval `yes` says of itself.
fn valid(it: &Simulation) -> (String, String, String) {
    let yes = &it.cluster.approvals[&(OWNER.into(), "yes".into())];
    let valid = yes.status.as_ref().unwrap().conditions[0].clone();
    (valid.status, valid.reason, valid.message)
}

fn set_tier(it: &mut Simulation, tier: &str) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = tier.into());
    it.settle();
    oracle::check(it);
}

#[test]
fn an_approval_of_the_terms_that_are_asked_for_counts() {
    let mut it = asked();
    let terms = it.request("alice").unwrap().terms();
    it.create(approval("yes", "alice", true, at(0)).of_terms(terms));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(valid(&it).1, "Valid");
    set_tier(&mut it, "silver");
    let waits = [
        "Approved/Approved",
        "!Enforced/AwaitingReapproval",
        "!ChangeApproved/AwaitingReapproval",
    ];
    assert_eq!(it.says("alice"), waits, "it goes on under the old terms");
    assert_eq!(valid(&it).1, "Valid");
}

#[test]
fn an_approval_of_other_terms_does_not_count_says_so_and_holds_nothing_back() {
    let mut it = asked();
    let terms = it.request("alice").unwrap().terms();
    set_tier(&mut it, "silver");
    it.create(approval("yes", "alice", true, at(0)).of_terms(terms));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), PENDING);
    let request = it.request("alice").unwrap().name_any();
    let message =
        format!("APIKeyRequest owner/{request} has changed since it was reviewed: review it again");
    assert_eq!(valid(&it), ("False".into(), "TermsChanged".into(), message));
    let told = devportal_core::decide::explain(&key_id("alice"), &it.world, it.cluster.now).told;
    assert!(
        told.iter().any(|it| it.contains("TermsChanged")),
        "{told:?}"
    );

    set_tier(&mut it, "unknown");
    assert_eq!(it.request("alice").unwrap().spec.plan_tier, "unknown");
    assert_eq!(it.says("alice"), PENDING);
    set_tier(&mut it, "gold");
    assert_eq!(it.says("alice"), APPROVED, "what was reviewed is asked for");
    assert_eq!(valid(&it).1, "Valid");
}

#[test]
fn an_approval_of_other_terms_leaves_the_one_before_in_force() {
    let mut it = asked();
    it.create(approval("first", "alice", true, at(0)));
    it.settle();
    it.create(approval("yes", "alice", true, at(10)).of_terms("sha256:other".into()));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), APPROVED);
    assert_eq!(valid(&it).1, "TermsChanged");
}

#[test]
fn a_denial_counts_whatever_terms_it_was_about() {
    let no = approval("no", "alice", false, at(0)).of_terms("sha256:other".into());
    assert_eq!(after([no]), DENIED);
}

#[test]
fn an_edited_approval_is_to_be_of_the_terms_that_are_asked_for_by_then() {
    let mut it = asked();
    let terms = it.request("alice").unwrap().terms();
    it.create(approval("yes", "alice", true, at(0)).of_terms(terms));
    it.settle();
    set_tier(&mut it, "silver");
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.reviewed_at.0 = at(20));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), PENDING);
    assert_eq!(valid(&it).1, "TermsChanged");
}

#[test]
fn an_approval_of_what_an_earlier_key_asked_for_counts_for_a_later_one_that_asks_for_the_same() {
    for (tier, says) in [("gold", &APPROVED[..]), ("silver", &PENDING)] {
        let mut it = asked();
        let terms = it.request("alice").unwrap().terms();
        it.delete::<APIKey>(CONSUMER, "alice");
        it.settle();
        let mut later = key("alice");
        later.spec.plan_tier = tier.into();
        it.create(later);
        it.settle();
        it.create(approval("yes", "alice", true, at(0)).of_terms(terms));
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), says);
    }
}

/// Whenever the request changes after it was shown, and whatever was written by then:
/// either the approval came first and covers what was shown, or it does not count.
#[test]
fn an_edit_that_races_with_an_approval_of_its_terms_is_not_approved() {
    for crash in 0..6 {
        for steps in 0..8 {
            let mut it = asked();
            let terms = it.request("alice").unwrap().terms();
            it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
            it.fault_at = Some((it.writes.len() + crash, Fault::Unanswered));
            for _ in 0..steps {
                it.step();
            }
            it.create(approval("yes", "alice", true, at(0)).of_terms(terms));
            it.settle();
            oracle::check(&it);
            let covered = it.key("alice").status.clone().unwrap().approved_terms;
            assert!(covered.is_none_or(|it| it.plan_tier == "gold"));
        }
    }
}

/// A key of Olga's own, with her approval of it.
fn own(settings: Settings, may_decide_own: bool) -> Simulation {
    let mut it = Simulation::ready(product()).set(settings);
    it.create(key("olga"));
    it.settle();
    let mut yes = approval("yes", "olga", true, at(0));
    if may_decide_own {
        let annotations = yes.annotations_mut();
        annotations.insert(annotation::DECIDES_OWN.into(), "true".into());
    }
    it.create(yes);
    it.settle();
    oracle::check(&it);
    it
}

const REFUSES_OWN: Settings = Settings {
    phase_decides: false,
    refuses_own: true,
    refuses_weak: false,
    refuses_drafts: false,
};

#[test]
fn an_approval_of_one_s_own_request_counts_as_published() {
    assert_eq!(own(Settings::default(), false).says("olga"), APPROVED);
}

#[test]
fn where_that_is_refused_an_approval_of_one_s_own_request_does_not_count_and_says_so() {
    let it = own(REFUSES_OWN, false);
    assert_eq!(it.says("olga"), PENDING);
    assert_eq!(valid(&it).1, "OwnRequest");
    // Whoever else decides is heard.
    let mut it = it;
    let mut other = approval("other", "olga", true, at(-5));
    other.spec.reviewed_by = "olivia".into();
    it.create(other);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("olga"), APPROVED);
}

#[test]
fn an_approval_of_one_s_own_request_is_not_for_whoever_asks_by_the_name_afterwards() {
    let as_alice = |key: &mut APIKey| key.spec.requested_by.user_id = "alice".into();
    // Another key of the name.
    let mut it = own(REFUSES_OWN, false);
    it.delete::<APIKey>(CONSUMER, "olga");
    it.settle();
    assert_eq!(it.cluster.approvals.len(), 0, "it goes with its request");
    let mut another = key("olga");
    as_alice(&mut another);
    it.create(another);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("olga"), PENDING);
    // The same key, of somebody else by now, also where nobody looked meanwhile.
    for is_watched in [true, false] {
        let mut it = own(REFUSES_OWN, false);
        it.edit::<APIKey>(CONSUMER, "olga", as_alice);
        if !is_watched {
            it.restart();
        }
        it.settle();
        assert_eq!(it.says("olga"), PENDING, "{is_watched}");
        // Nor is it for her where one's own count again.
        it = it.set(Settings::default());
        it.settle();
        assert_eq!(it.says("olga"), PENDING, "{is_watched}");
        // Taken anew it is about what is asked for by then.
        it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.reviewed_at.0 = at(120));
        it.settle();
        assert_eq!(it.says("olga"), APPROVED, "{is_watched}");
    }
}

#[test]
fn an_approval_of_one_s_own_request_that_came_before_it_does_not_count_either() {
    let mut it = Simulation::ready(product()).set(REFUSES_OWN);
    it.create(approval("yes", "olga", true, at(0)));
    it.settle();
    it.create(key("olga"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("olga"), PENDING);
}

#[test]
fn who_may_decide_on_their_own_request_is_heard() {
    assert_eq!(own(REFUSES_OWN, true).says("olga"), APPROVED);
}

#[test]
fn one_may_deny_oneself() {
    let mut it = own(REFUSES_OWN, false);
    it.create(approval("no", "olga", false, at(1)));
    it.settle();
    assert_eq!(it.says("olga"), DENIED);
}
