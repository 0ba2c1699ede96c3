//! What cannot be read or seen is unknown, not gone.

use std::sync::Arc;

use devportal_api::foreign::{AuthPolicy, Kuadrant};
use devportal_api::id::KeyId;
use devportal_api::key::{LiveCredential, Phase, SecretKeyRef};
use devportal_api::name::{self, annotation, label};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIKeyStatus, APIProduct};
use devportal_core::decide::explain;
use devportal_core::{Id, Settings, World};
use devportal_mirror::{Flaw, Told, Trouble, Version};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use crate::common::cluster::{Hole, Kind, Name};
use crate::common::hands::pair;
use crate::common::*;
use crate::credential::WORKING;

/// A key that a person approved.
fn approved() -> Simulation {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.settle();
    it.create(approval("yes", "alice", true, at(1)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it
}

fn request_name() -> Name {
    let id = request_id("alice");
    pair(&id.namespace, &id.name)
}

fn flaw<K: Kind>(it: &mut Simulation, name: &Name, hole: Hole) {
    it.cluster.flaw::<K>(name, Some(hole));
    it.settle();
}

/// Which objects there are, by UID.
fn uids(it: &Simulation) -> Vec<String> {
    let requests = it.cluster.requests.values().filter_map(ResourceExt::uid);
    let approvals = it.cluster.approvals.values().filter_map(ResourceExt::uid);
    let secrets = it.cluster.secrets.values().map(|it| it.uid.clone());
    requests.chain(approvals).chain(secrets).collect()
}

fn deny(it: &mut Simulation) {
    it.cluster.now = it.cluster.now.max(at(900));
    it.create(approval("no", "alice", false, at(900)));
    it.settle();
}

#[test]
fn an_object_that_cannot_be_read_takes_nothing_away_also_after_a_restart() {
    let flaws: [fn(&mut Simulation); 7] = [
        |it| flaw::<APIKey>(it, &pair(CONSUMER, "alice"), Hole::Status("reviewedAt")),
        |it| flaw::<APIKey>(it, &pair(CONSUMER, "alice"), Hole::Spec),
        |it| flaw::<APIKeyRequest>(it, &request_name(), Hole::Spec),
        |it| flaw::<APIKeyApproval>(it, &pair(OWNER, "yes"), Hole::Status("terms")),
        |it| flaw::<APIKeyApproval>(it, &pair(OWNER, "yes"), Hole::Spec),
        |it| flaw::<APIProduct>(it, &pair(OWNER, "games"), Hole::Status("openapi")),
        |it| flaw::<AuthPolicy>(it, &pair(OWNER, "games"), Hole::Spec),
    ];
    for (number, flaw) in flaws.into_iter().enumerate() {
        let mut it = approved();
        let before = uids(&it);
        flaw(&mut it);
        assert_eq!(uids(&it), before, "{number}");
        it.restart();
        it.settle();
        assert_eq!(uids(&it), before, "{number} after a restart");
        deny(&mut it);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{number} denied");
    }
}

#[test]
fn a_denial_that_cannot_be_read_goes_on_denying() {
    for hole in [Hole::Status("conditions"), Hole::Spec] {
        let mut it = approved();
        deny(&mut it);
        flaw::<APIKeyApproval>(&mut it, &pair(OWNER, "no"), hole);
        it.pass(minutes(10));
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{hole:?}");
    }
}

#[test]
fn a_key_whose_approval_cannot_be_read_says_so_and_goes_on_once_it_can() {
    let mut it = approved();
    flaw::<APIKeyApproval>(&mut it, &pair(OWNER, "yes"), Hole::Status("terms"));
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/Unreadable"]
    );
    let told = it.key("alice").status.as_ref().unwrap();
    let why = &told.conditions[1].message;
    assert!(
        why.contains("APIKeyApproval owner/yes cannot be read (status.terms"),
        "{why}"
    );
    it.heal();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_status_of_ours_that_cannot_be_read_is_written_anew_and_keeps_what_others_wrote() {
    let mut it = approved();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.status.as_mut().unwrap().can_read_secret = Some(false);
    });
    it.settle();
    flaw::<APIKey>(
        &mut it,
        &pair(CONSUMER, "alice"),
        Hole::Status("reviewedAt"),
    );
    oracle::check(&it);
    let status = it.key("alice").status.as_ref().unwrap();
    assert_eq!(status.can_read_secret, Some(false));
    assert!(status.reviewed_at.is_some());
}

#[test]
fn a_key_that_was_never_read_has_nothing_else_looked_at_again() {
    let mut it = approved();
    it.world.take_review();
    let bob = KeyId::new(CONSUMER, "bob");
    for version in 1_000..1_003 {
        let flaw = Flaw {
            uid: "bob's".into(),
            version: Version(version),
            holes: vec!["spec".into()],
            ..Flaw::default()
        };
        let told = Told::<APIKey>::Flawed(bob.clone(), None, Arc::new(flaw));
        let dirty = it.world.observe(told.into());
        assert_eq!(dirty, [Id::Key(bob.clone())].into());
        assert!(!it.world.take_review());
    }
}

#[test]
fn what_cannot_be_listed_holds_up_only_what_rests_on_it() {
    let mut it = approved();
    it.restart_without(&["PlanPolicy"]);
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Unknown"]);
    assert!(it.key("alice").status.as_ref().unwrap().limits.is_some());
    it.create(key("bob"));
    it.settle();
    it.create(approval("yes-bob", "bob", true, at(2)));
    it.settle();
    assert_eq!(it.accepted("bob").len(), 1, "a new key is issued");
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it.regain_all();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("bob"), WORKING);
}

#[test]
fn requests_are_written_and_keys_told_where_the_gateways_secrets_cannot_be_listed() {
    let mut it = Simulation::ready(product());
    it.restart_without(&["enforcement Secret"]);
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    it.create(approval("yes", "alice", true, at(1)));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Unknown"]);
    it.regain_all();
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
}

/// The credentials that the key's status tells of.
fn listed(it: &Simulation) -> Vec<LiveCredential> {
    it.key("alice").status.clone().unwrap().credentials
}

#[test]
fn what_may_open_the_api_stays_listed_where_the_gateways_secrets_cannot_be() {
    let mut it = approved();
    let before = listed(&it);
    assert_eq!(before.len(), 1);
    it.cluster.delete::<APIKeyApproval>(&pair(OWNER, "yes"));
    it.restart_without(&["enforcement Secret"]);
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Pending/AwaitingApproval", "!Enforced/Unknown"]
    );
    assert_eq!(listed(&it), before);
    it.regain_all();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    assert_eq!(listed(&it), []);
}

#[test]
fn where_no_kuadrant_can_be_seen_nothing_is_said_to_be_gone() {
    let mut it = approved();
    let before = listed(&it);
    it.restart_without(&["Kuadrant"]);
    it.settle();
    assert_eq!(listed(&it), before);
    it.cluster.now = it.cluster.now.max(at(9));
    it.create(approval("no-more", "alice", false, at(9)));
    it.settle();
    assert_eq!(it.accepted("alice").len(), 1, "nobody sees it");
    assert_eq!(it.says("alice"), ["Denied/Denied", "!Enforced/Unknown"]);
    assert_eq!(listed(&it), before);
    it.regain_all();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    assert_eq!(listed(&it), []);
}

#[test]
fn nothing_is_deleted_for_an_absence_that_only_an_old_list_shows() {
    let mut it = approved();
    let before = uids(&it);
    // Another replica made the key and its Secrets while this one did not see keys.
    it.restart_without(&["APIKey"]);
    it.settle();
    assert_eq!(uids(&it), before);
    it.cluster.keys.clear();
    it.regain_all();
    it.settle();
    assert_eq!(
        it.enforced("alice"),
        vec![],
        "and is once a look finds no key"
    );
}

#[test]
fn a_reference_to_what_does_not_exist_destroys_nothing_and_put_back_all_is_as_before() {
    for (namespace, name) in [("nowhere", "games"), (OWNER, "nothing")] {
        let mut it = approved();
        let before = uids(&it);
        let point = |it: &mut Simulation, namespace: &str, name: &str| {
            it.edit::<APIKey>(CONSUMER, "alice", |it| {
                it.spec.api_product_ref.namespace = Some(namespace.into());
                it.spec.api_product_ref.name = name.into();
            });
            it.settle();
        };
        point(&mut it, namespace, name);
        assert_eq!(uids(&it), before, "{namespace}/{name}");
        assert_eq!(
            it.says("alice"),
            [
                "Approved/Approved",
                "!Enforced/AwaitingReapproval",
                "!ChangeApproved/APIProductNotFound",
            ]
        );
        it.restart();
        it.settle();
        point(&mut it, OWNER, "games");
        assert_eq!(uids(&it), before);
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING);
    }
}

#[test]
fn an_approval_that_is_given_anew_leaves_a_generated_key_its_value() {
    let mut it = approved();
    let value = it.accepted("alice")[0].to_owned();
    it.delete::<APIKeyApproval>(OWNER, "yes");
    it.settle();
    assert_eq!(
        it.accepted("alice"),
        Vec::<&str>::new(),
        "access goes at once"
    );
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    it.cluster.now = it.cluster.now.max(at(5));
    it.create(approval("again", "alice", true, at(5)));
    it.settle();
    assert_eq!(it.accepted("alice"), [value]);
}

/// Ways to take the access of a key away that was brought, with what is left of it to see.
const REMOVALS: [fn(&mut Simulation); 3] = [
    |it| it.delete::<APIKeyApproval>(OWNER, "yes"),
    |it| it.delete::<APIProduct>(OWNER, "games"),
    |it| drop(it.cluster.delete_secret(&pair(CONSUMER, "own"))),
];

/// Its value is "secret".
fn brought_and_approved() -> Simulation {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.settle();
    it.create(approval("yes", "alice", true, at(1)));
    it.settle();
    it
}

#[test]
fn what_was_seen_to_be_taken_away_goes_whatever_else_cannot_be_seen() {
    for (number, remove) in REMOVALS.into_iter().enumerate() {
        let mut it = brought_and_approved();
        it.restart_without(&["HTTPRoute", "AuthPolicy"]);
        it.settle();
        assert_eq!(it.accepted("alice"), ["secret"]);
        remove(&mut it);
        it.settle();
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{number}");
    }
}

#[test]
fn what_is_taken_away_while_there_is_no_kuadrant_goes_at_once() {
    for (number, remove) in REMOVALS.into_iter().enumerate() {
        let mut it = brought_and_approved();
        it.delete::<Kuadrant>(KUADRANT, "kuadrant");
        it.settle();
        assert_eq!(it.accepted("alice"), ["secret"]);
        remove(&mut it);
        it.settle();
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{number}");
    }
}

#[test]
fn a_key_in_the_namespace_of_the_credentials_keeps_its_source() {
    let mut it = Simulation::ready(product());
    let mut near = key("alice");
    near.meta_mut().namespace = Some(KUADRANT.into());
    it.create(near);
    it.settle();
    let id = devportal_api::id::KeyId::new(KUADRANT, "alice");
    let request = name::request(&id, &product_id("games"));
    let mut yes = approval("yes", "alice", true, at(1));
    yes.spec.api_key_request_ref.name = request.name.into();
    it.create(yes);
    it.settle();
    assert_eq!(it.cluster.secrets.len(), 2, "a source and a credential");
    it.wrote();
    it.restart();
    it.settle();
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

/// A key as version 0.1 left it.
fn inherited(phase: Phase) -> Simulation {
    let mut it = Simulation::ready(product());
    leave_behind(&mut it, phase);
    it.settle();
    it
}

fn leave_behind(it: &mut Simulation, phase: Phase) {
    let mut old = key("alice");
    old.status = Some(APIKeyStatus {
        phase: Some(phase),
        reviewed_by: Some("olivia".into()),
        reviewed_at: Some(Time(at(-500))),
        secret_ref: Some(SecretKeyRef {
            name: "alice-apikey-secret".into(),
            key: "api_key".into(),
        }),
        ..APIKeyStatus::default()
    });
    it.create(old);
    let uid = it.key("alice").uid();
    let source = name::generated_source(&key_id("alice"));
    it.cluster
        .put_secret(&pair(&source.namespace, &source.name), |it| {
            it.labels = [("app", "games"), (label::MANAGED_BY, "authorino")]
                .map(|(label, value)| (label.to_owned(), value.to_owned()))
                .into();
            it.annotations
                .insert(annotation::PLAN.into(), "gold".into());
            it.owner_uid = uid;
            it.value = Some("of 0.1".into());
            it.ours = true;
        });
}

#[test]
fn a_key_of_the_first_version_goes_on_with_value_decision_and_reviewer() {
    let mut it = inherited(Phase::Approved);
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), ["of 0.1"]);
    let status = it.key("alice").status.as_ref().unwrap();
    assert_eq!(status.reviewed_by.as_deref(), Some("olivia"));
    assert_eq!(status.reviewed_at, Some(Time(at(-500))));
    let source = name::generated_source(&key_id("alice"));
    let source = &it.cluster.secrets[&pair(&source.namespace, &source.name)];
    assert_eq!(source.value.as_deref(), Some("of 0.1"));
    assert!(
        !source.labels.contains_key(label::MANAGED_BY),
        "the gateway reads one"
    );
    deny(&mut it);
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    assert!(
        it.cluster.secrets.values().all(|it| !it.ours),
        "nothing opens the API"
    );
}

#[test]
fn a_decision_of_the_first_version_waits_for_what_cannot_be_seen() {
    for phase in [Phase::Approved, Phase::Rejected] {
        let mut it = Simulation::ready(product().automatic());
        it.restart_without(&["APIKeyApproval"]);
        leave_behind(&mut it, phase);
        it.settle();
        assert_eq!(it.key("alice").status.as_ref().unwrap().phase, Some(phase));
        it.regain_all();
        it.settle();
        let says = if phase == Phase::Approved {
            "Approved/Approved"
        } else {
            "Denied/Denied"
        };
        assert_eq!(it.says("alice")[0], says);
    }
}

#[test]
fn a_denial_of_the_first_version_holds_although_its_record_is_refused() {
    let mut it = Simulation::ready(product().automatic());
    it.cluster.refused.insert("APIKeyRequest");
    leave_behind(&mut it, Phase::Rejected);
    it.settle();
    assert!(it.cluster.secrets.values().all(|it| !it.ours));
}

#[test]
fn a_denial_of_the_first_version_is_kept_and_its_secret_goes() {
    let it = inherited(Phase::Rejected);
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    assert!(it.cluster.secrets.values().all(|it| !it.ours));
}

#[test]
fn a_patched_phase_without_a_secret_of_the_first_version_decides_nothing() {
    let mut it = Simulation::ready(product());
    let mut forged = key("alice");
    forged.status = Some(APIKeyStatus {
        phase: Some(Phase::Approved),
        reviewed_by: Some("mallory".into()),
        ..APIKeyStatus::default()
    });
    it.create(forged);
    it.settle();
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
}

#[test]
fn a_key_that_is_held_by_the_finalizer_of_the_first_version_is_let_go() {
    let mut it = inherited(Phase::Approved);
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.meta_mut().finalizers = Some(vec![name::LEGACY_FINALIZER.into()]);
    });
    it.settle();
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert!(it.cluster.keys.is_empty() && it.cluster.requests.is_empty());
    assert!(it.cluster.secrets.values().all(|it| !it.ours));
}

#[test]
fn a_rotation_and_a_changed_tier_take_effect_while_the_policy_is_not_in_force() {
    let mut it = approved();
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.tell(&[("Accepted", true), ("Enforced", false)]);
    });
    it.settle();
    let before = it.accepted("alice")[0].to_owned();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.plan_tier = "silver".into();
        it.spec.rotation = Some(devportal_api::key::Rotation {
            revision: 1,
            overlap: Some("0s".into()),
        });
    });
    it.settle();
    it.cluster.now = at(9);
    it.create(approval("silver", "alice", true, at(9)));
    it.settle();
    let enforced = it.enforced("alice");
    assert_eq!(enforced.len(), 1);
    assert_ne!(enforced[0].1.value.as_ref(), Some(&before));
    assert_eq!(enforced[0].1.annotations[annotation::PLAN], "silver");
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/AuthPolicyNotEnforced"]
    );
}

#[test]
fn a_refused_request_is_told_on_the_key_and_on_the_product() {
    let mut it = Simulation::ready(product());
    it.cluster.refused.insert("APIKeyRequest");
    it.create(key("alice"));
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Pending/AwaitingApproval", "!Recorded/WriteRefused"]
    );
    let told = |it: &Simulation| {
        let status = it.cluster.products[&pair(OWNER, "games")].status.clone();
        let conditions = status.unwrap().conditions;
        conditions.into_iter().find(|it| it.type_ == "Recorded")
    };
    let message = told(&it).unwrap().message;
    assert!(
        message.contains("APIKeyRequest owner/consumer-alice-"),
        "{message}"
    );
    assert!(message.contains("exceeded quota"), "{message}");
    let why = explain(&key_id("alice"), &it.world, it.cluster.now);
    assert_eq!(
        why.writes[0].because.as_deref(),
        Some("exceeded quota (Forbidden)")
    );
    it.cluster.refused.clear();
    it.pass(minutes(1));
    assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
    assert!(told(&it).is_none());
}

#[test]
fn a_key_that_is_not_there_or_cannot_be_seen_is_told_as_not_found() {
    let it = approved();
    let is_found = |name, world| explain(&key_id(name), world, it.cluster.now).found;
    assert!(is_found("alice", &it.world));
    assert!(!is_found("nobody", &it.world));
    let blind = World::new(Settings::default());
    assert!(!is_found("alice", &blind));
}

#[test]
fn refused_records_hold_up_no_denial_and_hide_no_status() {
    for refused in ["APIKeyRequest", "APIKeyApproval"] {
        let mut it = approved();
        it.cluster.refused.insert(refused);
        it.edit::<APIKey>(CONSUMER, "alice", |it| {
            it.spec.use_case = Some("fun".into());
        });
        it.settle();
        deny(&mut it);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "{refused}");
        assert_eq!(it.says("alice")[0], "Denied/Denied", "{refused}");
    }
}

#[test]
fn a_key_whose_own_status_is_refused_is_told_on_its_request() {
    let mut it = approved();
    it.cluster.refused.insert("APIKey");
    deny(&mut it);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    let request = it.request("alice").unwrap();
    assert_eq!(
        request.status.as_ref().unwrap().conditions[0].reason,
        "Denied"
    );
}

#[test]
fn a_credential_that_may_not_be_deleted_is_told_as_open() {
    let mut it = approved();
    it.cluster.refused.insert("Secret");
    deny(&mut it);
    assert_eq!(
        it.says("alice"),
        ["Denied/Denied", "Enforced/RevocationRefused"]
    );
    it.cluster.refused.clear();
    it.pass(minutes(1));
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
}

/// What the definitions of the published controller 0.2 lack.
const PUBLISHED: [(&str, &str); 9] = [
    ("APIKeyApproval", "terms"),
    ("APIKey", "approvedTerms"),
    ("APIKey", "graceUntil"),
    ("APIKey", "credentials"),
    ("APIKey", "phase"),
    ("APIKey", "reviewedBy"),
    ("APIKey", "reviewedAt"),
    ("APIKey", "secretRef"),
    ("APIKeyRequest", "uid"),
];

#[test]
fn under_the_published_definitions_an_automatic_key_works_and_no_later_one_inherits_it() {
    let mut it = Simulation::ready(product().automatic());
    it.cluster.pruned = PUBLISHED.to_vec();
    it.create(key("alice").expiring(at(90_000)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
    let mut manual = Simulation::ready(product());
    manual.cluster.pruned = PUBLISHED.to_vec();
    manual.create(key("alice"));
    manual.settle();
    manual.create(approval("yes", "alice", true, at(1)));
    manual.settle();
    assert_eq!(manual.says("alice"), WORKING);
    // Deleted and made again while nobody watched.
    let name = pair(CONSUMER, "alice");
    manual.cluster.delete::<APIKey>(&name);
    manual.create(key("alice"));
    manual.restart();
    manual.settle();
    assert_eq!(manual.says("alice"), ["Pending/AwaitingApproval"]);
    assert_eq!(manual.accepted("alice"), Vec::<&str>::new());
}

#[test]
fn under_definitions_that_lack_our_fields_a_key_works_and_then_all_is_quiet() {
    let mut it = Simulation::ready(product());
    it.cluster.pruned = PUBLISHED.to_vec();
    it.create(key("alice"));
    it.settle();
    it.create(approval("yes", "alice", true, at(1)));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it.wrote();
    it.pass(minutes(10));
    it.restart();
    it.settle();
    let wrote = it.wrote();
    assert!(
        wrote.len() <= 3,
        "what is lacking is found out once more: {wrote:?}"
    );
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice").len(), 1, "the grace goes on");
    it.restart();
    it.settle();
    it.pass(minutes(1));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "and ends");
}

#[test]
fn under_definitions_that_lack_our_fields_the_grace_begins_when_the_scheme_is_gone() {
    let mut it = Simulation::ready(product().automatic());
    it.cluster.pruned = PUBLISHED.to_vec();
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.accepted("alice").len(), 1);
    // The key fails for something else that takes nothing away.
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    it.pass(minutes(10));
    it.create(kuadrant());
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice").len(), 1, "the grace goes on");
    it.pass(minutes(1));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new(), "and ends");
}

#[test]
fn a_kind_that_may_not_be_listed_any_more_keeps_what_it_was_known_by() {
    let mut it = approved();
    let before = uids(&it);
    it.lose("AuthPolicy", Trouble::Forbidden);
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.pass(minutes(60));
    assert_eq!(uids(&it), before, "its end was not seen");
    it.regain("AuthPolicy", true);
    it.settle();
    it.pass(minutes(5));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

/// Whoever is told of it deletes them.
#[test]
fn secrets_of_a_key_that_cannot_be_seen_or_read_are_not_those_of_a_key_that_is_gone() {
    let mut it = approved();
    flaw::<APIKey>(&mut it, &pair(CONSUMER, "alice"), Hole::Spec);
    it.restart();
    it.settle();
    assert_eq!(it.world.orphans(), 0, "it cannot be read");
    it.heal();
    it.restart_without(&["APIKey"]);
    it.settle();
    assert_eq!(it.world.orphans(), 0, "keys are not listed");
    it.regain("APIKey", true);
    it.settle();
    assert_eq!(it.world.orphans(), 0);

    let name = it.enforced("alice")[0].0.clone();
    it.cluster.put_secret(&name, |it| it.held = true);
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert_eq!(it.world.orphans(), 1, "it is seen to be gone");
    it.restart();
    it.settle();
    assert_eq!(it.world.orphans(), 1, "it is not listed");
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    assert_eq!(it.world.orphans(), 0, "nobody follows what is there");
}
