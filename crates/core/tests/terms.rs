//! What an approval covers.

use devportal_api::condition::awaits_decision;
use devportal_api::foreign::{AuthPolicy, PlanPolicy};
use devportal_api::name::{annotation, label};
use devportal_api::product::ApprovalMode;
use devportal_api::{APIKey, APIKeyApproval, APIProduct};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::common::chance::Fault;
use crate::common::*;

const WAITING: [&str; 3] = [
    "Approved/Approved",
    "!Enforced/AwaitingReapproval",
    "!ChangeApproved/AwaitingReapproval",
];
const WORKING: [&str; 2] = ["Approved/Approved", "Enforced/Enforced"];

fn working(product: APIProduct) -> Simulation {
    let mut it = Simulation::ready(product);
    it.create(key("alice"));
    it.settle();
    if it.says("alice") != WORKING {
        it.create(approval("yes", "alice", true, at(0)));
        it.settle();
    }
    assert_eq!(it.says("alice"), WORKING);
    it
}

fn change(it: &mut Simulation, change: impl FnOnce(&mut APIKey)) {
    it.edit::<APIKey>(CONSUMER, "alice", change);
    it.settle();
    oracle::check(it);
}

/// The tier, requester and expiry the gateway goes by.
fn terms(it: &Simulation) -> (String, String, Option<String>) {
    let enforced = it.enforced("alice");
    let [(_, secret)] = enforced[..] else {
        panic!("{enforced:?}")
    };
    let note = |name: &str| secret.annotations.get(name).cloned();
    (
        note(annotation::PLAN).unwrap(),
        note(annotation::USER).unwrap(),
        note(annotation::EXPIRES_AT),
    )
}

fn gold() -> (String, String, Option<String>) {
    ("gold".into(), "alice".into(), None)
}

#[test]
fn a_tier_changed_after_the_approval_waits_and_the_key_goes_on_as_approved() {
    let mut it = working(product());
    let value = it.accepted("alice")[0].to_owned();
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    assert_eq!(it.says("alice"), WAITING);
    assert_eq!(terms(&it), gold());
    assert_eq!(
        it.key("alice").status.as_ref().unwrap().limits,
        Some(plan("gold", 1000).limits)
    );
    assert_eq!(
        it.request("alice").unwrap().spec.plan_tier,
        "silver",
        "the owner sees the wish"
    );

    it.cluster.now = at(10);
    it.create(approval("again", "alice", true, at(10)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    assert_eq!(it.accepted("alice"), [value], "the value stays");
}

#[test]
fn a_new_requester_or_product_or_a_later_expiry_waits_too() {
    let changes: [fn(&mut APIKey); 2] = [
        |key| key.spec.requested_by.user_id = "mallory".into(),
        |key| key.spec.api_product_ref.name = "maps".into(),
    ];
    for edit in changes {
        let mut it = working(product());
        it.create(product_named("maps"));
        change(&mut it, edit);
        assert_eq!(it.says("alice"), WAITING);
        assert_eq!(terms(&it), gold());
    }
    let mut it = Simulation::ready(product());
    it.create(key("alice").expiring(at(1000)));
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    for later in [Some(at(2000)), None] {
        change(&mut it, |key| {
            key.spec.expires_at = later.map(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time);
        });
        assert_eq!(it.says("alice"), WAITING);
    }
    it.cluster.now = at(1000);
    it.settle();
    let waits = ["Expired/KeyExpired", "!ChangeApproved/AwaitingReapproval"];
    assert_eq!(it.says("alice"), waits, "as approved");
}

#[test]
fn a_change_to_a_product_that_is_not_there_waits_for_that_and_for_nobody() {
    let mut it = working(product());
    let value = it.accepted("alice")[0].to_owned();
    change(&mut it, |key| key.spec.api_product_ref.name = "maps".into());
    let mut expected = WAITING;
    expected[2] = "!ChangeApproved/APIProductNotFound";
    assert_eq!(it.says("alice"), expected);
    assert_eq!(it.accepted("alice"), [&*value]);
    let waits = |it: &Simulation| {
        let told = it.key("alice").status.as_ref().unwrap();
        awaits_decision(&told.conditions).is_some()
    };
    assert!(!waits(&it));
    it.pass(minutes(10));
    it.create(product_named("maps"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WAITING);
    assert!(waits(&it));
    let since = it.world.tally().waits_since();
    assert_eq!(since, Some(it.cluster.now), "and not before");
    it.delete::<APIProduct>(OWNER, "maps");
    it.settle();
    assert_eq!(it.says("alice"), expected);
    assert_eq!(it.accepted("alice"), [&*value]);
}

#[test]
fn a_change_that_is_taken_back_needs_no_decision() {
    let mut it = working(product());
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    change(&mut it, |key| key.spec.plan_tier = "gold".into());
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn an_earlier_expiry_is_covered_even_while_another_change_waits() {
    let mut it = working(product());
    change(&mut it, |key| *key = key.clone().expiring(at(1000)));
    assert_eq!(it.says("alice"), WORKING);
    change(&mut it, |key| {
        *key = key.clone().on_tier("silver").expiring(at(500));
    });
    assert_eq!(it.says("alice"), WAITING);
    assert_eq!(
        terms(&it),
        ("gold".into(), "alice".into(), Some(at(500).to_string()))
    );
    it.cluster.now = at(500);
    it.settle();
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
}

#[test]
fn a_use_case_needs_no_decision() {
    let mut it = working(product());
    it.wrote();
    change(&mut it, |key| key.spec.use_case = Some("fun".into()));
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.request("alice").unwrap().spec.use_case, "fun");
    assert_eq!(
        it.wrote(),
        ["apply request", "key status", "request status"]
    );
}

#[test]
fn an_automatic_product_renews_its_approval() {
    let mut it = working(product().automatic());
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    assert_eq!(it.cluster.approvals.len(), 1);
}

#[test]
fn an_automatic_approval_that_a_person_edited_is_theirs_and_no_change_of_the_key_is_let_past_it() {
    for reviewer in ["olivia", "system"] {
        let mut it = working(product().automatic());
        let auto = devportal_api::name::auto_approval(&request_id("alice")).name;
        it.edit::<APIKeyApproval>(OWNER, &auto, |it| {
            it.spec.reviewed_by = reviewer.into();
            it.spec.plan_tier = Some("silver".into());
        });
        it.settle();
        assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
        change(&mut it, |key| key.spec.plan_tier = "platinum".into());
        let waits = [&WAITING[..], &["!AutomaticApproval/PersonDecided"]].concat();
        assert_eq!(it.says("alice"), waits, "{reviewer}");
        assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    }
}

#[test]
fn an_automatic_approval_is_not_renewed_once_the_product_is_manual() {
    let mut it = working(product().automatic());
    it.edit::<APIProduct>(OWNER, "games", |it| {
        it.spec.approval_mode = ApprovalMode::Manual;
    });
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    assert_eq!(it.says("alice"), WAITING);
}

#[test]
fn while_a_change_of_product_waits_the_approved_product_is_still_followed() {
    let mut it = working(product());
    it.create(product_named("maps"));
    change(&mut it, |key| *key = key.clone().asking_for("maps"));
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans = vec![plan("gold", 5)]);
    it.settle();
    assert_eq!(
        it.key("alice").status.as_ref().unwrap().limits,
        Some(plan("gold", 5).limits)
    );
    it.delete::<APIProduct>(OWNER, "games");
    it.settle();
    let waits = [
        "Failed/APIProductNotFound",
        "!ChangeApproved/AwaitingReapproval",
    ];
    assert_eq!(it.says("alice"), waits);
    assert_eq!(
        it.message("alice"),
        "Referenced APIProduct owner/games not found"
    );
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

/// The approval was about gold. Whenever the spec changes after the approval
/// was seen, and whatever was written by then, silver is never given.
#[test]
fn an_edit_that_races_with_its_approval_is_not_approved() {
    for crash in 0..8 {
        for steps in 1..8 {
            let mut it = Simulation::ready(product());
            it.create(key("alice"));
            it.settle();
            it.create(approval("yes", "alice", true, at(0)));
            it.fault_at = Some((it.writes.len() + crash, Fault::CrashAfter));
            for _ in 0..steps {
                it.step();
            }
            it.edit::<APIKey>(CONSUMER, "alice", |key| {
                key.spec.plan_tier = "silver".into();
            });
            it.settle();
            oracle::check(&it);
            assert_eq!(it.says("alice"), WAITING, "{crash} {steps}");
            assert_eq!(terms(&it), gold());
        }
    }
}

#[test]
fn whoever_asks_for_more_than_was_approved_waits_also_once_that_is_over() {
    let mut it = working(product());
    change(&mut it, |key| *key = key.clone().expiring(at(500)));
    it.create(approval("again", "alice", true, at(1)));
    it.settle();
    it.cluster.now = at(500);
    it.settle();
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
    assert_eq!(it.world.tally().waiting(), 0);
    change(&mut it, |key| *key = key.clone().expiring(at(900)));
    let waits = ["Expired/KeyExpired", "!ChangeApproved/AwaitingReapproval"];
    assert_eq!(it.says("alice"), waits);
    let told = it.request("alice").unwrap().status.clone().unwrap();
    let key = it.key("alice").status.as_ref().unwrap();
    assert_eq!(told.conditions, key.conditions);
    assert_eq!(it.world.tally().waiting(), 1);
    let id = devportal_core::Id::Key(key_id("alice"));
    assert_eq!(it.decisions()[&id].wake_at, Some(at(900)));
    // Nobody is to decide about what would be over as well.
    it.cluster.now = at(900);
    it.settle();
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
}

#[test]
fn a_request_tells_what_an_approval_of_just_that_is_to_name() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.settle();
    let told = |it: &Simulation| it.request("alice").unwrap().status.clone().unwrap().terms;
    let first = told(&it);
    assert_eq!(first, Some(it.request("alice").unwrap().terms()));
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    assert_ne!(told(&it), first);
    let mut yes = approval("yes", "alice", true, at(1));
    yes.spec.terms = first;
    it.create(yes.clone());
    it.settle();
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    yes.metadata.name = Some("again".into());
    yes.spec.terms = told(&it);
    it.create(yes);
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_definition_without_terms_is_written_to_once() {
    let mut it = Simulation::ready(product());
    it.cluster.pruned = vec![("APIKeyRequest", "terms")];
    it.create(key("alice"));
    it.settle();
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

#[test]
fn what_is_wrong_with_a_key_is_told_also_while_a_change_of_it_waits() {
    let mut it = working(product());
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans = vec![plan("silver", 5)]);
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    let says = [
        "Approved/Approved",
        "!Enforced/UnknownTier",
        "!ChangeApproved/AwaitingReapproval",
    ];
    assert_eq!(it.says("alice"), says);
    assert_eq!(it.world.tally().enforced("False"), 1);
}

#[test]
fn a_product_that_became_automatic_renews_what_a_person_granted_in_full_and_no_more() {
    let automatic = |it: &mut Simulation| {
        it.edit::<APIProduct>(OWNER, "games", |it| {
            it.spec.approval_mode = ApprovalMode::Automatic;
        });
        change(it, |key| key.spec.plan_tier = "silver".into());
    };
    let mut it = working(product());
    automatic(&mut it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    assert_eq!(it.cluster.approvals.len(), 2, "a person's stays as it was");

    let mut it = granted(approval("yes", "alice", true, at(0)).until(at(500)));
    automatic(&mut it);
    let waits = [&WAITING[..], &["!AutomaticApproval/PersonDecided"]].concat();
    assert_eq!(it.says("alice"), waits);
    // A denial after it is nothing that is renewed.
    it.create(approval("no", "alice", false, at(10)));
    change(&mut it, |key| key.spec.plan_tier = "gold".into());
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
}

#[test]
fn a_move_to_an_automatic_product_goes_on_when_the_approved_one_is_deleted() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    it.create(route("maps"));
    it.create(product_named("maps").automatic());
    change(&mut it, |key| key.spec.api_product_ref.name = "maps".into());
    assert_eq!(it.says("alice"), WAITING, "maps has no AuthPolicy yet");
    it.delete::<APIProduct>(OWNER, "games");
    it.create(auth("maps"));
    it.create(plans("maps"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn an_approval_that_counts_again_covers_what_it_covered_before() {
    for newer_approves in [false, true] {
        let mut it = working(product());
        change(&mut it, |key| key.spec.plan_tier = "silver".into());
        it.cluster.now = at(10);
        it.create(approval("newer", "alice", newer_approves, at(10)));
        it.settle();
        oracle::check(&it);
        it.delete::<APIKeyApproval>(OWNER, "newer");
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WAITING, "{newer_approves}");
        assert_eq!(terms(&it), gold());
    }
}

#[test]
fn a_change_made_while_a_key_is_denied_is_not_approved_by_an_earlier_approval() {
    let mut it = working(product());
    it.cluster.now = at(10);
    it.create(approval("no", "alice", false, at(10)));
    it.settle();
    change(&mut it, |key| key.spec.plan_tier = "silver".into());
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    it.delete::<APIKeyApproval>(OWNER, "no");
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WAITING);
    assert_eq!(terms(&it), gold());
}

#[test]
fn an_approved_move_to_another_product_closes_the_one_before_at_once() {
    let mut it = working(product());
    it.create(route("maps"));
    it.create(plans("maps"));
    it.create(product_named("maps"));
    let tell = |it: &mut Simulation, enforced| {
        it.edit::<AuthPolicy>(OWNER, "maps", |it| {
            it.tell(&[("Accepted", true), ("Enforced", enforced)]);
        });
        it.settle();
    };
    it.create(auth("maps"));
    tell(&mut it, false);
    change(&mut it, |key| key.spec.api_product_ref.name = "maps".into());
    assert_eq!(it.says("alice"), WAITING);
    assert_eq!(terms(&it), gold());
    it.cluster.now = at(10);
    it.create(approval("again", "alice", true, at(10)));
    it.settle();
    let games = |it: &Simulation| {
        let labels = it.enforced("alice").into_iter().map(|(_, it)| &it.labels);
        labels.filter(|it| it[label::PRODUCT] == "games").count()
    };
    assert_eq!(games(&it), 0);
    tell(&mut it, true);
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(games(&it), 0);
}

/// The tier that was asked for, and until when.
type Asked = (String, Option<String>);

/// The tier, and until when, as the key's status tells what was approved and what was
/// asked for where that is more.
fn approved(it: &Simulation) -> (String, Option<String>, Option<Asked>) {
    let terms = it.key("alice").status.clone().unwrap().approved_terms;
    let terms = terms.unwrap();
    let time = |at: Option<Time>| at.map(|at| at.0.to_string());
    let asked = terms.asked.map(|it| (it.plan_tier, time(it.expires_at)));
    (terms.plan_tier, time(terms.expires_at), asked)
}

fn granted(approval: APIKeyApproval) -> Simulation {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.settle();
    it.create(approval);
    it.settle();
    oracle::check(&it);
    it
}

#[test]
fn another_tier_may_be_granted_than_was_asked_for_and_the_key_works_under_it() {
    let it = granted(approval("yes", "alice", true, at(0)).granting("silver"));
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    let limits = it.key("alice").status.as_ref().unwrap().limits.clone();
    assert_eq!(limits, Some(plan("silver", 100).limits));
    let asked = Some(("gold".to_owned(), None));
    assert_eq!(approved(&it), ("silver".into(), None, asked));
}

#[test]
fn less_time_may_be_granted_than_was_asked_for_and_never_more() {
    let mut it = granted(approval("yes", "alice", true, at(0)).until(at(500)));
    assert_eq!(it.says("alice"), WORKING);
    let (_, _, expiry) = terms(&it);
    assert_eq!(expiry, Some(at(500).to_string()));
    it.cluster.now = at(500);
    it.settle();
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);

    let mut it = Simulation::ready(product());
    it.create(key("alice").expiring(at(300)));
    it.create(approval("yes", "alice", true, at(0)).until(at(500)));
    it.settle();
    assert_eq!(
        approved(&it),
        ("gold".into(), Some(at(300).to_string()), None)
    );
}

#[test]
fn a_grant_of_what_was_asked_for_is_a_whole_one() {
    let it = granted(approval("yes", "alice", true, at(0)).granting("gold"));
    assert_eq!(approved(&it), ("gold".into(), None, None));
}

#[test]
fn whoever_was_granted_less_waits_only_where_they_ask_for_something_else_again() {
    let partial = || approval("yes", "alice", true, at(0)).granting("silver");
    let mut it = granted(partial());
    for (tier, says) in [
        ("silver", &WORKING[..]),
        ("gold", &WORKING[..]),
        ("platinum", &WAITING[..]),
    ] {
        change(&mut it, |key| key.spec.plan_tier = tier.into());
        assert_eq!(it.says("alice"), says, "{tier}");
        assert_eq!(terms(&it), ("silver".into(), "alice".into(), None));
    }
    change(&mut it, |key| {
        *key = key.clone().on_tier("gold").expiring(at(900));
    });
    assert_eq!(it.says("alice"), WORKING, "less time is covered");
    let expiry = Some(at(900).to_string());
    assert_eq!(terms(&it), ("silver".into(), "alice".into(), expiry));
}

#[test]
fn whoever_mends_the_words_of_an_approval_decides_nothing() {
    for names_terms in [false, true] {
        let mut it = Simulation::ready(product());
        it.create(key("alice"));
        it.settle();
        let mut yes = approval("yes", "alice", true, at(0));
        yes.spec.terms = names_terms.then(|| it.request("alice").unwrap().terms());
        it.create(yes);
        it.settle();
        let before = terms(&it);
        change(&mut it, |key| key.spec.plan_tier = "silver".into());
        let waits = it.says("alice");
        assert!(
            waits.contains(&"!ChangeApproved/AwaitingReapproval".into()),
            "{waits:?}"
        );
        it.edit::<APIKeyApproval>(OWNER, "yes", |it| {
            it.spec.message = Some("Welcome aboard".into());
            it.spec.reason = Some("Typo".into());
        });
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), waits);
        assert_eq!(terms(&it), before);
    }
}

/// As a tool that replaces the whole object does.
#[test]
fn an_approval_whose_words_and_owner_are_replaced_covers_what_it_did() {
    let mut it = Simulation::ready(product());
    it.create(route("maps"));
    it.create(auth("maps"));
    it.create(plans("maps"));
    it.create(product_named("maps"));
    it.create(key("alice"));
    it.settle();
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let before = terms(&it);
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.api_product_ref.name = "maps".into();
    });
    it.settle();
    assert_eq!(terms(&it), before);
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| {
        it.spec.message = Some("Welcome aboard".into());
        it.metadata.owner_references = None;
    });
    it.settle();
    assert_eq!(terms(&it), before);
    let opened = &it.key("alice").status.as_ref().unwrap().approved_terms;
    assert_eq!(opened.as_ref().unwrap().api_product_ref.name, "games");
}

#[test]
fn an_edited_grant_is_a_new_one() {
    let mut it = granted(approval("yes", "alice", true, at(0)).granting("silver"));
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.plan_tier = None);
    it.settle();
    oracle::check(&it);
    assert_eq!(terms(&it), gold());
    assert_eq!(approved(&it), ("gold".into(), None, None));
}
