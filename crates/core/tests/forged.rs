//! What does a forged status gain? A row for each line of the page that says so.

use std::collections::BTreeSet;

use devportal_api::approval::Denied;
use devportal_api::condition::{Lifecycle, Review, render};
use devportal_api::foreign::{AuthPolicy, PlanPolicy, PolicyStatus};
use devportal_api::key::{ApprovedTerms, Phase};
use devportal_api::product::{Documentation, OidcDiscoveryStatus, OpenApiStatus};
use devportal_api::scheme::{AuthScheme, Limits};
use devportal_api::{
    APIKey, APIKeyApproval, APIKeyApprovalStatus, APIKeyStatus, APIProduct, APIProductStatus,
};
use devportal_core::Settings;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use crate::common::hands::pair;
use crate::common::*;

const PAGE: &str = include_str!("../../../docs/explanation/who-may-write-a-status.md");
const WORKING: [&str; 2] = ["Approved/Approved", "Enforced/Enforced"];
const NOTHING: [&str; 0] = [];

#[test]
fn whoever_writes_a_status_gains_no_more_than_is_said() {
    type Row = (&'static [&'static str], fn());
    let table: [Row; 15] = [
        (
            &[
                "conditions",
                "observedGeneration",
                "apiHostname",
                "limits",
                "authScheme",
                "reviewedBy",
                "reviewedAt",
                "secretRef",
            ],
            what_a_key_says_is_written_anew,
        ),
        (
            &["discoveredPlans", "discoveredAuthScheme"],
            what_a_product_says_is_written_anew,
        ),
        (&["conditions"], a_time_ahead_puts_off_a_word_about_plans),
        (&["graceUntil"], no_more_than_five_minutes_are_believed),
        (
            &["approvedTerms"],
            terms_on_a_key_count_until_they_are_noted,
        ),
        (&["approvedTerms"], terms_of_another_approval_are_none),
        (&["phase"], a_phase_denies_a_key_and_approves_none),
        (&["phase"], a_phase_decides_where_that_is_switched_on),
        (
            &["canReadSecret", "credentials"],
            a_value_is_offered_again_and_is_the_same,
        ),
        (&["terms"], terms_on_an_approval_count_for_that_one),
        (&["decision"], an_edited_approval_covers_what_it_did),
        (&["denies"], a_denial_is_lifted),
        (
            &["countsFrom"],
            a_decision_that_is_dated_ahead_is_taken_anew,
        ),
        (&["authRule"], keys_are_made_for_another_rule),
        (
            &["openapi", "oidcDiscovery"],
            a_document_is_shown_until_the_next_answer,
        ),
    ];
    let rows = PAGE.lines().filter_map(|line| line.strip_prefix("| "));
    let fields = rows.skip(1).flat_map(|row| {
        let (fields, _) = row.split_once(" | ").unwrap();
        fields.split(", ").map(|it| {
            let it = it.trim_matches('`');
            it.rsplit_once('.').map_or(it, |(_, field)| field)
        })
    });
    let told: BTreeSet<_> = fields.collect();
    let tried: BTreeSet<_> = table
        .iter()
        .flat_map(|(fields, _)| *fields)
        .copied()
        .collect();
    assert_eq!(tried, told, "the page and the table tell of other fields");
    for (_, row) in table {
        row();
    }
}

fn status_of(it: &Simulation) -> APIKeyStatus {
    it.key("alice").status.clone().unwrap()
}

fn forge(it: &mut Simulation, change: impl FnOnce(&mut APIKeyStatus)) {
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        change(it.status.get_or_insert_default());
    });
}

fn forge_product(it: &mut Simulation, change: impl FnOnce(&mut APIProductStatus)) {
    it.edit::<APIProduct>(OWNER, "games", |it| {
        change(it.status.get_or_insert_default());
    });
}

fn forge_approval(it: &mut Simulation, name: &str, change: impl FnOnce(&mut APIKeyApprovalStatus)) {
    it.edit::<APIKeyApproval>(OWNER, name, |it| {
        change(it.status.get_or_insert_default());
    });
}

/// A key that was asked for.
fn asked() -> Simulation {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.settle();
    it
}

/// A key that a person approved.
fn approved() -> Simulation {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it
}

fn product_status(it: &Simulation) -> APIProductStatus {
    let product = &it.cluster.products[&pair(OWNER, "games")];
    product.status.clone().unwrap()
}

fn tier(it: &Simulation) -> Option<String> {
    let enforced = it.enforced("alice");
    let (_, secret) = enforced.first()?;
    let plan = devportal_api::name::annotation::PLAN;
    secret.annotations.get(plan).cloned()
}

fn what_a_key_says_is_written_anew() {
    let mut it = asked();
    let before = status_of(&it);
    let review = Review {
        by: "mallory".into(),
        at: at(0),
        message: None,
    };
    let facts = [
        Lifecycle::Approved(review).fact(),
        devportal_api::condition::Enforcement::Enforced.fact(),
    ];
    forge(&mut it, |it| {
        it.conditions = render(&facts, &[], Some(9), at(0));
        it.observed_generation = Some(9);
        it.api_hostname = Some("evil.example.com".into());
        it.limits = Some(Limits::default());
        it.auth_scheme = Some(AuthScheme::default());
        it.reviewed_by = Some("mallory".into());
        it.reviewed_at = Some(Time(at(0)));
        it.secret_ref = Some(devportal_api::key::SecretKeyRef {
            name: "other".into(),
            key: "api_key".into(),
        });
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(status_of(&it), before);
    assert_eq!(it.accepted("alice"), NOTHING);
    // While its product cannot be seen what was said stands, and opens nothing.
    it.restart_without(&["APIProduct"]);
    forge(&mut it, |it| {
        it.conditions = render(&facts[..1], &[], Some(1), at(0));
    });
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Unknown"]);
    assert_eq!(it.accepted("alice"), NOTHING);
    it.regain_all();
    it.settle();
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
}

fn what_a_product_says_is_written_anew() {
    let mut it = approved();
    let before = product_status(&it);
    forge_product(&mut it, |it| {
        it.discovered_plans = shown(&[plan("gold", 1_000_000)]);
        it.discovered_auth_scheme = None;
        it.observed_generation = Some(9);
        it.conditions.clear();
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(product_status(&it), before);
    let limits = status_of(&it).limits.unwrap();
    assert_eq!(limits.daily, Some(1000), "keys go by the policy");
}

fn a_time_ahead_puts_off_a_word_about_plans() {
    let mut it = approved();
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.status = Some(PolicyStatus {
            conditions: vec![condition("Enforced", false)],
            ..PolicyStatus::default()
        });
    });
    it.settle();
    let ahead = Timestamp::from_second(it.cluster.now.as_second() + 3600).unwrap();
    forge_product(&mut it, |it| {
        let mut conditions = it.conditions.iter_mut();
        let told = conditions.find(|it| it.type_ == "PlansInForce").unwrap();
        told.last_transition_time = Time(ahead);
    });
    it.pass(minutes(30));
    assert_eq!(it.says("alice"), WORKING);
    it.pass(minutes(32));
    let unplanned = ["Approved/Approved", "!Enforced/PlansNotEnforced"];
    assert_eq!(it.says("alice"), unplanned);
}

fn no_more_than_five_minutes_are_believed() {
    let mut it = approved();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    let ahead = Timestamp::from_second(it.cluster.now.as_second() + 86_400).unwrap();
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice"), ["secret"]);
    forge(&mut it, |it| it.grace_until = Some(Time(ahead)));
    it.settle();
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice"), ["secret"], "from now on");
    it.pass(minutes(2));
    assert_eq!(it.accepted("alice"), NOTHING);
}

/// Better terms than anybody gave, of this approval.
fn better(approval: &APIKeyApproval) -> ApprovedTerms {
    let it = approved();
    let (uid, generation) = (approval.uid().unwrap(), approval.meta().generation.unwrap());
    ApprovedTerms {
        plan_tier: "silver".into(),
        approval: format!("{uid}/{generation}"),
        ..status_of(&it).approved_terms.unwrap()
    }
}

fn terms_on_a_key_count_until_they_are_noted() {
    // A definition that lacks the field lets nothing be noted.
    let mut it = asked();
    it.cluster.pruned = vec![("APIKeyApproval", "terms")];
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let terms = better(&it.cluster.approvals[&pair(OWNER, "yes")]);
    forge(&mut it, |it| it.approved_terms = Some(terms.clone()));
    it.cluster.covered.clear();
    it.settle();
    assert_eq!(tier(&it).as_deref(), Some("silver"));
    let mut it = approved();
    let terms = better(&it.cluster.approvals[&pair(OWNER, "yes")]);
    forge(&mut it, |it| it.approved_terms = Some(terms));
    it.settle();
    oracle::check(&it);
    assert_eq!(tier(&it).as_deref(), Some("gold"));
}

fn terms_of_another_approval_are_none() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    let mut terms = better(&it.cluster.approvals[&pair(OWNER, "yes")]);
    terms.approval = "another/1".into();
    forge(&mut it, |it| it.approved_terms = Some(terms));
    it.settle();
    oracle::check(&it);
    assert_eq!(tier(&it).as_deref(), Some("gold"));
}

fn a_phase_denies_a_key_and_approves_none() {
    let mut it = asked();
    forge(&mut it, |it| {
        it.conditions.clear();
        it.phase = Some(Phase::Approved);
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    assert_eq!(it.accepted("alice"), NOTHING);
    for mut it in [asked(), approved()] {
        let was_approved = it.says("alice") == WORKING;
        forge(&mut it, |it| {
            it.conditions.clear();
            it.phase = Some(Phase::Rejected);
        });
        it.settle();
        oracle::check(&it);
        let expected: &[&str] = if was_approved {
            &WORKING
        } else {
            &["Denied/Denied"]
        };
        assert_eq!(it.says("alice"), expected);
    }
}

fn a_phase_decides_where_that_is_switched_on() {
    let mut it = asked().set(Settings {
        phase_decides: true,
        ..Settings::default()
    });
    it.settle();
    forge(&mut it, |it| it.phase = Some(Phase::Approved));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
}

fn a_value_is_offered_again_and_is_the_same() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice").shown_once());
    it.settle();
    let value = it.accepted("alice")[0].to_owned();
    forge(&mut it, |it| it.can_read_secret = Some(false));
    it.settle();
    assert_eq!(status_of(&it).can_read_secret, Some(false));
    forge(&mut it, |it| it.credentials.clear());
    it.settle();
    assert_eq!(status_of(&it).can_read_secret, Some(true));
    assert_eq!(it.accepted("alice"), [value]);
}

fn terms_on_an_approval_count_for_that_one() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    let terms = better(&it.cluster.approvals[&pair(OWNER, "yes")]);
    forge_approval(&mut it, "yes", |it| it.terms = Some(terms.clone()));
    it.settle();
    assert_eq!(tier(&it).as_deref(), Some("silver"));
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    forge_approval(&mut it, "yes", |it| {
        let approval = "another/1".to_owned();
        it.terms = Some(ApprovedTerms { approval, ..terms });
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(tier(&it).as_deref(), Some("gold"));
}

fn an_edited_approval_covers_what_it_did() {
    for is_forged in [false, true] {
        let mut it = asked();
        it.create(approval("yes", "alice", true, at(0)));
        it.settle();
        it.edit::<APIKeyApproval>(OWNER, "yes", |it| {
            it.spec.plan_tier = Some("silver".into());
            let decided = it.decides();
            let status = it.status.as_mut().unwrap();
            status.decision = Some(decided).filter(|_| is_forged);
        });
        it.settle();
        let expected = if is_forged { "gold" } else { "silver" };
        assert_eq!(tier(&it).as_deref(), Some(expected));
    }
}

fn a_denial_is_lifted() {
    let denied = || {
        let mut it = Simulation::ready(product().automatic());
        it.create(key("alice"));
        it.settle();
        it.create(approval("no", "alice", false, at(100)));
        it.settle();
        assert_eq!(it.says("alice"), ["Denied/Denied"]);
        it
    };
    // A denial of a request that is there is noted anew.
    let mut it = denied();
    forge_approval(&mut it, "no", |it| it.denies = vec![]);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    let mut it = denied();
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    forge_approval(&mut it, "no", |it| it.denies = vec![]);
    it.settle();
    let mut again = key("again");
    again.spec.requested_by.user_id = "alice".into();
    it.create(again);
    it.settle();
    assert_eq!(it.says("again"), WORKING);
    // One that names another is about them: a person decides, and the other is let in.
    let mut it = denied();
    forge_approval(&mut it, "no", |it| {
        it.denies = vec![Denied {
            api_product: "games".into(),
            user_id: "bob".into(),
            request: None,
            reviewed_at: None,
        }];
    });
    it.create(key("bob"));
    it.settle();
    let waits = [
        "Pending/AwaitingApproval",
        "!AutomaticApproval/RequesterDenied",
    ];
    assert_eq!(it.says("bob"), waits);
    assert_eq!(it.says("alice"), WORKING);
}

fn a_decision_that_is_dated_ahead_is_taken_anew() {
    let mut it = asked();
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.reviewed_at = Time(at(3600)));
    it.settle();
    it.pass(minutes(1));
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    it.pass(minutes(1));
    forge_approval(&mut it, "yes", |it| it.counts_from = None);
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    // No denial that is made after that is outlived.
    it.pass(minutes(1));
    it.create(approval("no-more", "alice", false, it.cluster.now));
    it.settle();
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
}

fn keys_are_made_for_another_rule() {
    let mut it = approved();
    let both = rules([
        ("keys", api_key(&[("api", "games")])),
        ("staff", api_key(&[("api", "staff")])),
    ]);
    it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.rules = Some(both));
    it.settle();
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "games");
    forge_product(&mut it, |it| it.auth_rule = Some("staff".into()));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "staff");
    // One that is not in the policy is none.
    forge_product(&mut it, |it| it.auth_rule = Some("other".into()));
    it.settle();
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "games");
}

fn a_document_is_shown_until_the_next_answer() {
    const URL: &str = "https://docs.example.com/games.yaml";
    const ISSUER: &str = "https://issuer.example.com";
    let mut it = Simulation::ready(product());
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("tokens", jwt(ISSUER))]));
    });
    it.edit::<APIProduct>(OWNER, "games", |it| {
        it.spec.documentation = Some(Documentation {
            open_api_spec_url: Some(URL.into()),
            ..Documentation::default()
        });
    });
    it.settle();
    let before = product_status(&it);
    forge_product(&mut it, |it| {
        it.openapi = Some(OpenApiStatus {
            raw: "forged".into(),
            url: Some(URL.into()),
            last_sync_time: Time(at(0)),
            max_size_used: None,
        });
        it.oidc_discovery = Some(OidcDiscoveryStatus {
            token_endpoint: "https://evil.example.com".into(),
            issuer: Some(ISSUER.into()),
        });
    });
    it.settle();
    oracle::check(&it);
    let after = product_status(&it);
    let raw = |it: &APIProductStatus| it.openapi.as_ref().map(|it| it.raw.clone());
    assert_eq!(raw(&after), raw(&before));
    assert_eq!(after.oidc_discovery, before.oidc_discovery);
}
