//! Which Secrets a key has, and what they cost.

use std::collections::BTreeMap;

use devportal_api::foreign::{AuthPolicy, Kuadrant};
use devportal_api::id::KeyId;
use devportal_api::name::{self, annotation, label};
use devportal_api::{APIKey, APIKeyApproval, APIProduct};
use devportal_core::Write;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;

use crate::common::chance::Fault;
use crate::common::cluster::{Name, Secret};
use crate::common::hands::pair;
use crate::common::*;

pub(crate) const WORKING: [&str; 2] = ["Approved/Approved", "Enforced/Enforced"];
const FIRST: &str = "devportal-consumer-alice-";

pub(crate) fn brought() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it
}

pub(crate) fn generated() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    it
}

pub(crate) fn copy() -> Name {
    pair(CONSUMER, "alice-apikey-secret")
}

pub(crate) fn enforced_name(it: &Simulation) -> Name {
    it.enforced("alice")[0].0.clone()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

#[test]
fn an_automatic_brought_key_costs_six_writes() {
    let mut it = brought();
    let expected = [
        "apply request",
        "apply approval",
        "create Secret",
        "approval status",
        "key status",
        "request status",
    ];
    let mut wrote = it.wrote();
    wrote.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(wrote, expected);
}

#[test]
fn an_automatic_generated_key_costs_seven_writes() {
    let wrote = generated().wrote();
    assert_eq!(wrote.len(), 7, "{wrote:?}");
    assert_eq!(wrote.iter().filter(|it| **it == "create Secret").count(), 2);
}

#[test]
fn a_manual_key_has_no_secret_of_any_kind_before_its_approval() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.cluster.secrets, BTreeMap::new());
}

#[test]
fn the_whole_enforcement_secret_of_a_brought_key() {
    let mut it = Simulation::ready(product().automatic());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own").expiring(at(1000)));
    it.settle();
    let uid = it.key("alice").meta().uid.clone().unwrap();
    let expires = at(1000).to_string();
    let enforced = it.enforced("alice");
    let [(at, secret)] = enforced[..] else {
        panic!("{enforced:?}")
    };
    let id = name::enforcement_secret(&key_id("alice"), KUADRANT);
    assert_eq!(*at, pair(&id.namespace, &id.name));
    assert!(at.1.starts_with(FIRST));
    let expected = Secret {
        uid: secret.uid.clone(),
        version: secret.version,
        labels: map(&[
            (label::ENFORCEMENT, "true"),
            (label::PRODUCT, "games"),
            (label::PRODUCT_NAMESPACE, OWNER),
            (label::KEY, "alice"),
            (label::KEY_NAMESPACE, CONSUMER),
            (label::MANAGED_BY, "authorino"),
            ("api", "games"),
        ]),
        annotations: map(&[
            (annotation::PLAN, "gold"),
            (annotation::USER, "alice"),
            (annotation::EXPIRES_AT, &expires),
            (annotation::KEY, "consumer/alice"),
            (annotation::KEY_UID, &uid),
            (annotation::PRODUCT, "owner/games"),
            (annotation::SELECTED_BY, "api"),
        ]),
        owner_uid: None,
        created: Some(it.cluster.now),
        value: Some("secret".into()),
        ours: true,
        ..Secret::default()
    };
    assert_eq!(*secret, expected);
}

#[test]
fn the_consumers_copy_is_owned_by_the_key_and_holds_what_the_gateway_accepts() {
    let it = generated();
    let copy = &it.cluster.secrets[&copy()];
    assert_eq!(copy.owner_uid, it.key("alice").meta().uid);
    assert_eq!(it.accepted("alice"), [copy.value.as_deref().unwrap()]);
    let reference = it.key("alice").status.clone().unwrap().secret_ref.unwrap();
    assert_eq!(
        (reference.name.as_str(), reference.key.as_str()),
        (copy_name().as_str(), "api_key")
    );
}

fn copy_name() -> String {
    copy().1
}

#[test]
fn both_creation_orders_work() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice").brought("own"));
    it.settle();
    assert_eq!(it.says("alice"), ["Failed/SecretNotFound"]);
    it.bring("own", Some("secret"));
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn a_brought_secret_that_is_deleted_and_restored_needs_no_new_approval() {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let losses: [fn(&mut Simulation); 3] = [
        |it| drop(it.cluster.delete_secret(&pair(CONSUMER, "own"))),
        |it| it.bring("own", None),
        |it| it.bring("own", Some("")),
    ];
    for lose in losses {
        lose(&mut it);
        it.settle();
        oracle::check(&it);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
        it.bring("own", Some("secret"));
        it.settle();
        assert_eq!(it.says("alice"), WORKING);
        assert_eq!(it.accepted("alice"), ["secret"]);
    }
}

#[test]
fn a_new_value_takes_over_before_the_old_one_goes() {
    let mut it = brought();
    it.writes.clear();
    it.bring("own", Some("other"));
    it.settle();
    let secrets: Vec<_> = it.writes.iter().filter(|it| touches_secret(it)).collect();
    assert!(matches!(
        secrets[..],
        [Write::CreateSecret(_), Write::DeleteCredential { .. }]
    ));
    assert_eq!(it.accepted("alice"), ["other"]);
    assert_eq!(
        it.cluster.secrets[&pair(CONSUMER, "own")].value.as_deref(),
        Some("other")
    );
}

fn touches_secret(write: &Write) -> bool {
    matches!(
        write,
        Write::CreateSecret(_) | Write::DeleteCredential { .. } | Write::DeleteSource { .. }
    )
}

#[test]
fn denial_expiry_and_deletion_leave_no_secret_behind() {
    let ends: [fn(&mut Simulation); 3] = [
        |it| it.create(approval("no", "alice", false, at(100))),
        |it| {
            it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(10)));
            it.settle();
            it.cluster.now = at(10);
        },
        |it| it.delete::<APIKey>(CONSUMER, "alice"),
    ];
    for end in ends {
        let mut it = generated();
        end(&mut it);
        it.settle();
        it.cluster.collect();
        it.settle();
        oracle::check(&it);
        assert_eq!(it.cluster.secrets, BTreeMap::new());
    }
}

#[test]
fn a_denial_takes_the_copy_away_also_while_something_is_missing() {
    let mut it = generated();
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.create(approval("no", "alice", false, at(100)));
    it.settle();
    assert_eq!(it.cluster.secrets, BTreeMap::new());
}

#[test]
fn a_recreated_key_does_not_get_the_value_of_the_one_before() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.delete::<APIKey>(CONSUMER, "alice");
    it.create(key("alice"));
    it.settle();
    it.cluster.collect();
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_ne!(it.accepted("alice"), [value]);
}

#[test]
fn a_kuadrant_that_moves_takes_the_credentials_with_it() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.now = at(5);
    it.create(kuadrant_in("elsewhere"));
    it.settle();
    assert_eq!(enforced_name(&it).0, KUADRANT, "the older one counts");
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    oracle::check(&it);
    assert_eq!(enforced_name(&it).0, "elsewhere");
    assert_eq!(it.accepted("alice"), [value.as_str()]);
    it.delete::<Kuadrant>("elsewhere", "kuadrant");
    it.settle();
    assert_eq!(it.says("alice"), ["Failed/KuadrantNotFound"]);
    assert_eq!(it.accepted("alice"), [value], "nothing is lost meanwhile");
}

/// Nobody watches where Kuadrant was before, and what is there opens nothing.
#[test]
fn a_secret_that_is_held_where_kuadrant_was_before_holds_up_and_opens_nothing() {
    let mut it = generated();
    let (before, _) = enforced_name(&it);
    let held = enforced_name(&it);
    it.cluster.put_secret(&held, |it| it.held = true);
    it.create(kuadrant_in("elsewhere"));
    it.delete::<Kuadrant>(&before, "kuadrant");
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    assert!(it.cluster.secrets[&held].deleting);
    it.pass(minutes(1));
    it.create(approval("no", "alice", false, it.cluster.now));
    it.settle();
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    assert_eq!(it.key("alice").status.clone().unwrap().credentials, []);
}

#[test]
fn a_changed_selector_reaches_the_gateway_and_an_impossible_one_is_said() {
    let mut it = brought();
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("keys", api_key(&[("api", "v2")]))]));
    });
    it.settle();
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "v2");
    assert_eq!(it.enforced("alice").len(), 1);
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("keys", api_key(&[(label::KEY, "bob")]))]));
    });
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/SelectorUnsatisfiable"]
    );
}

#[test]
fn until_the_operator_has_carried_a_changed_selector_out_the_gateway_finds_the_key_by_the_old_one()
{
    let observed = |it: &mut AuthPolicy| {
        let generation = it.metadata.generation;
        it.status.as_mut().unwrap().observed_generation = generation;
    };
    let select = |it: &mut Simulation, labels: &[(&str, &str)]| {
        let rules = rules([("keys", api_key(labels))]);
        it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.rules = Some(rules));
        it.settle();
    };
    let labels = |it: &Simulation| -> Vec<_> {
        let all = it.enforced("alice").into_iter();
        all.map(|(_, secret)| secret.labels.get("api").cloned())
            .collect()
    };
    let owned = |it: &Simulation| -> Vec<_> {
        let all = it.accepted("alice").into_iter();
        all.map(str::to_owned).collect()
    };
    for once in [false, true] {
        let mut it = Simulation::ready(product().automatic());
        let key = key("alice");
        it.create(if once { key.shown_once() } else { key });
        it.settle();
        it.edit::<AuthPolicy>(OWNER, "games", observed);
        it.settle();
        let [(first, _)] = it.enforced("alice")[..] else {
            panic!()
        };
        let first = first.clone();
        let value = owned(&it);

        // Neither of the two takes what the other does.
        select(&mut it, &[("api", "v2")]);
        assert!(it.cluster.secrets.contains_key(&first));
        assert_eq!(it.enforced("alice").len(), 2);
        assert_eq!(it.says("alice"), WORKING);
        // Who goes on changing it fills no namespace.
        for n in 3..20 {
            select(&mut it, &[("api", &format!("v{n}"))]);
        }
        assert!(it.cluster.secrets.contains_key(&first));
        assert_eq!(it.enforced("alice").len(), 5);
        it.edit::<AuthPolicy>(OWNER, "games", observed);
        it.settle();
        assert_eq!(labels(&it), [Some("v19".to_owned())]);
        assert_eq!(owned(&it), value);

        // One that the new selector takes as well is made anew once that counts.
        let [(second, _)] = it.enforced("alice")[..] else {
            panic!()
        };
        let second = second.clone();
        select(&mut it, &[]);
        assert_eq!(labels(&it), [Some("v19".to_owned())]);
        assert!(it.cluster.secrets.contains_key(&second));
        // What else is to be said of it does not wait.
        it.edit::<APIKey>(CONSUMER, "alice", |it| {
            it.spec.expires_at = Some(Time(at(86_400)));
        });
        it.settle();
        assert!(!it.cluster.secrets.contains_key(&second));
        assert_eq!(labels(&it), [None]);
        it.edit::<AuthPolicy>(OWNER, "games", observed);
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING);
        assert_eq!(it.enforced("alice").len(), 1);
        assert_eq!(owned(&it), value);

        // What is in the operator's way keeps none for ever.
        select(&mut it, &[("api", "v20")]);
        let now = it.cluster.now;
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            observed(it);
            let conditions = &mut it.status.as_mut().unwrap().conditions;
            let enforced = conditions.iter_mut().find(|it| it.type_ == "Enforced");
            let enforced = enforced.unwrap();
            enforced.status = "False".into();
            enforced.last_transition_time.0 = now;
        });
        it.settle();
        assert_eq!(it.enforced("alice").len(), 2);
        it.pass(minutes(4));
        assert_eq!(it.enforced("alice").len(), 2);
        it.pass(minutes(2));
        assert_eq!(labels(&it), [Some("v20".to_owned())]);
    }
}

#[test]
fn a_key_whose_name_is_as_long_as_names_get_works() {
    let long = "k".repeat(253);
    let mut it = Simulation::ready(product().automatic());
    it.create(key(&long));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says(&long), WORKING);
    let enforced = it.enforced(&long);
    let [(name, secret)] = enforced[..] else {
        panic!("{enforced:?}")
    };
    assert!(name.1.len() <= 253 && secret.labels.values().all(|it| it.len() <= 63));
    it.delete::<APIKey>(CONSUMER, &long);
    it.settle();
    it.cluster.collect();
    assert_eq!(it.cluster.secrets, BTreeMap::new());
}

#[test]
fn a_label_of_an_earlier_selector_does_not_stay() {
    let mut it = brought();
    let select = |it: &mut Simulation, labels: &[(&str, &str)]| {
        let rules = rules([("keys", api_key(labels))]);
        it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.rules = Some(rules));
        it.settle();
        oracle::check(it);
    };
    select(&mut it, &[("api", "games"), ("also", "maps")]);
    assert_eq!(it.enforced("alice")[0].1.labels["also"], "maps");
    select(&mut it, &[("api", "games")]);
    assert_eq!(it.enforced("alice").len(), 1);
    assert!(!it.enforced("alice")[0].1.labels.contains_key("also"));
}

#[test]
fn a_brought_key_that_becomes_a_generated_one_gets_a_value_of_its_own() {
    let mut it = brought();
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.secret_ref = None);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), ["generated-1"]);
    assert_eq!(
        it.cluster.secrets[&copy()].value.as_deref(),
        Some("generated-1")
    );
}

#[test]
fn a_key_that_was_brought_for_a_while_does_not_get_back_the_value_it_had_before() {
    let mut it = generated();
    let first = it.accepted("alice")[0].to_owned();
    it.bring("own", Some("better"));
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().brought("own"));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("alice"), ["better"]);
    it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.secret_ref = None);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    let accepted = it.accepted("alice");
    assert_eq!(accepted.len(), 1);
    assert_ne!(accepted, ["better"]);
    assert_ne!(accepted, [first]);
}

#[test]
fn a_kuadrant_that_moves_away_and_back_knows_what_happened_meanwhile() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    let first = enforced_name(&it);
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    it.cluster.delete_secret(&first);
    it.settle();
    it.create(kuadrant());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), [value]);
}

#[test]
fn a_secret_of_the_published_controller_is_taken_over_as_it_is() {
    let mut it = brought();
    let name = enforced_name(&it);
    it.cluster.put_secret(&name, |it| {
        it.annotations.remove(annotation::KEY);
        it.annotations.remove(annotation::KEY_UID);
        it.annotations.remove(annotation::PRODUCT);
    });
    it.restart();
    it.writes.clear();
    it.settle();
    assert_eq!(it.wrote(), Vec::<&str>::new());
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert!(!it.cluster.secrets.contains_key(&name));
}

/// It labels the product's namespace as the key names it.
#[test]
fn a_secret_of_the_published_controller_without_a_namespace_stays_until_its_successor_is_there() {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    let mut near = key("alice").brought("own");
    near.spec.api_product_ref.namespace = None;
    near.meta_mut().namespace = Some(OWNER.into());
    it.cluster
        .put_secret(&pair(OWNER, "own"), |it| it.value = Some("secret".into()));
    it.create(near);
    it.settle();
    let id = KeyId::new(OWNER, "alice");
    let request = name::request(&id, &product_id("games"));
    let mut yes = approval("yes", "alice", true, at(1));
    yes.spec.api_key_request_ref.name = request.name.into();
    it.create(yes);
    it.settle();
    let enforced = |it: &Simulation| {
        let all = it.cluster.secrets.iter();
        let ours = all.filter(|(_, it)| it.is_enforcement());
        ours.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let before = enforced(&it);
    it.cluster.put_secret(&before[0], |it| {
        for name in [annotation::KEY, annotation::KEY_UID, annotation::PRODUCT] {
            it.annotations.remove(name);
        }
        it.labels
            .insert(label::PRODUCT_NAMESPACE.into(), String::new());
    });
    it.restart();
    it.wrote();
    it.settle();
    assert_eq!(it.wrote()[..2], ["create Secret", "delete credential"]);
    assert_eq!(enforced(&it).len(), 1);
}

/// Crashed before or after any single write, a generated key ends with one
/// value, one approval and one request.
#[test]
fn a_crash_at_any_write_makes_no_second_key() {
    for fault in [
        Fault::CrashBefore,
        Fault::CrashAfter,
        Fault::Refused,
        Fault::Unanswered,
    ] {
        for number in 0..8 {
            let mut it = Simulation::ready(product().automatic());
            it.fault_at = Some((number, fault));
            it.create(key("alice"));
            it.settle();
            oracle::check(&it);
            assert_eq!(it.says("alice"), WORKING, "{fault:?} at {number}");
            assert_eq!(it.cluster.generated, 1);
            assert_eq!(it.cluster.requests.len(), 1);
            assert_eq!(it.cluster.approvals.len(), 1);
            assert_eq!(it.cluster.secrets.len(), 2);
        }
    }
}

#[test]
fn revoking_touches_the_secret_before_anything_else() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    it.wrote();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    assert_eq!(it.wrote()[..2], ["delete credential", "delete source"]);
}

/// Two keys for one API, whose Secrets hold one value.
fn of_one_value() -> Simulation {
    let mut it = Simulation::ready(product());
    for name in ["alice", "bob"] {
        it.bring(name, Some("one value"));
        it.create(key(name).brought(name));
        it.pass(minutes(1));
    }
    it
}

const IN_USE: [&str; 2] = ["Approved/Approved", "!Enforced/ValueInUse"];

#[test]
fn of_two_keys_of_one_value_the_first_works_and_the_other_says_why_not() {
    let mut it = of_one_value();
    it.create(approval("bob", "bob", true, at(0)).granting("silver"));
    it.settle();
    it.create(approval("alice", "alice", true, at(0)));
    it.settle();
    assert_eq!(it.says("bob"), WORKING);
    assert_eq!(it.says("alice"), IN_USE);
    assert_eq!(
        it.accepted("alice"),
        Vec::<&str>::new(),
        "nobody gets another's plan"
    );
    let message = it.key("alice").status.clone().unwrap().conditions[1]
        .message
        .clone();
    assert!(!message.contains("bob"));
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
    // It works as soon as the other gives way, or it has a value of its own.
    it.delete::<APIKey>(CONSUMER, "bob");
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), ["one value"]);
}

#[test]
fn a_copied_value_takes_nobodys_key_down_and_gets_in_nowhere() {
    let mut it = of_one_value();
    it.create(approval("alice", "alice", true, at(0)));
    it.settle();
    let secret = enforced_name(&it);
    it.bring("mallory", Some("own value"));
    it.create(key("mallory").brought("mallory"));
    it.create(approval("mallory", "mallory", true, at(0)));
    it.settle();
    assert_eq!(it.says("mallory"), WORKING);
    it.bring("mallory", Some("one value"));
    it.settle();
    assert_eq!(it.says("mallory"), IN_USE);
    assert_eq!(
        it.accepted("mallory"),
        Vec::<&str>::new(),
        "the old value is over"
    );
    it.delete::<APIKey>(CONSUMER, "mallory");
    it.settle();
    assert_eq!(it.accepted("alice"), ["one value"]);
    assert_eq!(enforced_name(&it), secret, "it was not touched");
}

/// As a version that did not look left them.
#[test]
fn of_two_secrets_of_one_value_the_first_keys_is_made_anew_before_the_other_goes() {
    let mut it = of_one_value();
    it.create(approval("alice", "alice", true, at(0)));
    it.settle();
    it.bring("bob", Some("other"));
    it.create(approval("bob", "bob", true, at(0)));
    it.settle();
    let (name, secret) = it.enforced("bob").pop().unwrap();
    let (name, mut secret) = (name.clone(), secret.clone());
    it.bring("bob", Some("one value"));
    secret.value = Some("one value".into());
    it.cluster.delete_secret(&name);
    it.cluster.put_secret(&name, |it| *it = secret);
    it.restart();
    let first = enforced_name(&it);
    it.writes.clear();
    it.settle();
    assert_eq!(
        it.wrote(),
        [
            "create Secret",
            "delete credential",
            "key status",
            "delete credential",
            "key status",
            "request status"
        ]
    );
    assert_ne!(enforced_name(&it), first);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.says("bob"), IN_USE);
    assert_eq!(it.accepted("bob"), Vec::<&str>::new());
}

/// Two keys of one value, of which the first works; the other is in this namespace.
fn first_and_second(namespace: &str) -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    for (namespace, name) in [(CONSUMER, "alice"), (namespace, "bob")] {
        let mut key = key(name).brought(name);
        key.meta_mut().namespace = Some(namespace.into());
        give(&mut it, namespace, name, "one value");
        it.create(key);
        it.settle();
    }
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(says_of(&it, namespace, "bob"), IN_USE);
    it
}

fn give(it: &mut Simulation, namespace: &str, name: &str, value: &str) {
    let name = pair(namespace, name);
    it.cluster
        .put_secret(&name, |it| it.value = Some(value.into()));
}

fn says_of(it: &Simulation, namespace: &str, name: &str) -> Vec<String> {
    let status = it.cluster.keys[&pair(namespace, name)].status.as_ref();
    let conditions = status.iter().flat_map(|it| &it.conditions);
    let told = conditions.map(|it| (it.status == "True", &it.type_, &it.reason));
    told.map(|(holds, kind, reason)| format!("{}{kind}/{reason}", if holds { "" } else { "!" }))
        .collect()
}

#[test]
fn the_first_of_two_keys_of_one_value_has_it_again_after_its_secret_was_replaced() {
    let own = pair(CONSUMER, "alice");
    for namespace in [CONSUMER, "another"] {
        for restarts in [false, true] {
            let mut it = first_and_second(namespace);
            it.cluster.delete_secret(&own);
            it.settle();
            if restarts {
                it.restart();
                it.settle();
            }
            assert_eq!(it.says("alice"), ["Failed/SecretNotFound"]);
            assert_eq!(says_of(&it, namespace, "bob"), IN_USE);
            it.wrote();
            it.pass(minutes(4));
            assert_eq!(it.wrote(), Vec::<&str>::new());
            it.bring("alice", Some("one value"));
            it.settle();
            if namespace == CONSUMER {
                oracle::check(&it);
            }
            assert_eq!(it.says("alice"), WORKING);
            assert_eq!(says_of(&it, namespace, "bob"), IN_USE);
        }
    }
}

#[test]
fn the_first_of_two_keys_of_one_value_has_it_again_after_what_it_rests_on_was_replaced() {
    type Step = fn(&mut Simulation);
    let replaced: [(&str, Step, Step); 2] = [
        (
            "its approval",
            |it| it.delete::<APIKeyApproval>(OWNER, "yes"),
            |it| it.create(approval("yes", "alice", true, at(0))),
        ),
        (
            "its product",
            |it| it.delete::<APIProduct>(OWNER, "games"),
            |it| it.create(product()),
        ),
    ];
    for (what, delete, create) in replaced {
        for is_generated in [false, true] {
            let mut it = Simulation::ready(product());
            it.bring("alice", Some("one value"));
            it.create(if is_generated {
                key("alice")
            } else {
                key("alice").brought("alice")
            });
            it.create(approval("yes", "alice", true, at(0)));
            it.settle();
            let value = it.accepted("alice")[0].to_owned();
            it.bring("bob", Some(&value));
            it.create(key("bob").brought("bob"));
            it.create(approval("bob", "bob", true, at(0)));
            it.settle();
            assert_eq!(it.says("alice"), WORKING);
            assert_eq!(it.says("bob"), IN_USE);
            delete(&mut it);
            it.settle();
            assert_eq!(it.accepted("alice"), [""; 0], "{what}");
            assert_eq!(it.accepted("bob"), [""; 0], "{what}");
            it.pass(minutes(1));
            create(&mut it);
            it.settle();
            oracle::check(&it);
            assert_eq!(it.says("alice"), WORKING, "{what}");
            assert_eq!(it.says("bob"), IN_USE, "{what}");
            assert_eq!(it.accepted("alice"), [&*value], "{what}");
        }
    }
}

#[test]
fn a_key_that_waits_for_its_value_has_it_once_the_first_is_over() {
    type Change = fn(&mut Simulation);
    let changes: [(&str, Change); 3] = [
        ("it expires", |it| {
            it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(10)));
            it.settle();
            it.pass(minutes(1));
        }),
        ("it is denied", |it| {
            it.pass(minutes(1));
            it.create(approval("no", "alice", false, it.cluster.now));
        }),
        ("it has another value", |it| {
            it.bring("alice", Some("other"));
        }),
    ];
    for (why, change) in changes {
        let mut it = first_and_second(CONSUMER);
        change(&mut it);
        it.settle();
        assert_eq!(it.says("bob"), WORKING, "{why}");
        oracle::check(&it);
    }
}

#[test]
fn a_key_that_waits_for_its_value_has_it_once_the_first_does_not_come_back_for_it() {
    type Change = fn(&mut Simulation);
    let changes: [(&str, Change); 4] = [
        ("its time is over", |it| it.cluster.now += minutes(6)),
        ("it comes back with another value", |it| {
            it.bring("alice", Some("other"));
        }),
        ("it is deleted", |it| it.delete::<APIKey>(CONSUMER, "alice")),
        ("it is denied", |it| {
            it.create(approval("no", "alice", false, at(100)));
        }),
    ];
    for (why, change) in changes {
        let mut it = first_and_second(CONSUMER);
        it.cluster.delete_secret(&pair(CONSUMER, "alice"));
        it.settle();
        change(&mut it);
        // Nothing else makes anybody look.
        while it.step() {}
        assert_eq!(it.says("bob"), WORKING, "{why}");
        it.settle();
        oracle::check(&it);
    }
    // Nor does it wait with another value.
    let mut it = first_and_second(CONSUMER);
    it.cluster.delete_secret(&pair(CONSUMER, "alice"));
    it.settle();
    it.bring("bob", Some("other"));
    it.settle();
    assert_eq!(it.says("bob"), WORKING);
    assert_eq!(it.accepted("bob"), ["other"]);
}

#[test]
fn one_value_opens_two_apis_whose_keys_are_not_shared() {
    let mut it = of_one_value();
    it.create(product_named("maps"));
    it.create(route("maps"));
    it.create(auth("maps"));
    it.create(plans("maps"));
    it.edit::<APIKey>(CONSUMER, "bob", |it| *it = it.clone().asking_for("maps"));
    it.settle();
    for name in ["alice", "bob"] {
        it.create(approval(name, name, true, at(0)));
    }
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.says("bob"), WORKING);
    it.pass(minutes(1));
    it.create(approval("no", "bob", false, it.cluster.now));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("bob"), Vec::<&str>::new());
    assert_eq!(it.says("alice"), WORKING, "it is another API's");
    assert_eq!(it.accepted("alice"), ["one value"]);
}

#[test]
fn a_product_that_is_replaced_or_restored_keeps_the_rule_of_its_keys() {
    type Step = fn(&mut Simulation);
    let ways: [(&str, Step); 5] = [
        ("replaced", |_| {}),
        ("deleted in the foreground", |it| {
            it.settle();
            it.edit::<APIProduct>(OWNER, "games", |it| it.metadata.finalizers = None);
            it.delete::<APIProduct>(OWNER, "games");
            it.settle();
        }),
        ("gone for a while", |it| it.settle()),
        ("gone while nobody looked", |it| it.restart()),
        ("gone for long", |it| it.pass(minutes(60))),
    ];
    for (way, meanwhile) in ways {
        let mut it = brought();
        let mut both = rules([("keys", api_key(&[("api", "games")]))]);
        let rule = api_key(&[("api", "another")]);
        both.authentication.insert("a-new-one".into(), rule);
        it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.rules = Some(both));
        it.settle();
        let labels = it.enforced("alice")[0].1.labels.clone();
        if way == "deleted in the foreground" {
            it.edit::<APIProduct>(OWNER, "games", |it| {
                it.metadata.finalizers = Some(vec!["foregroundDeletion".into()]);
            });
        }
        it.delete::<APIProduct>(OWNER, "games");
        meanwhile(&mut it);
        it.create(product());
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING, "{way}");
        assert_eq!(it.enforced("alice")[0].1.labels, labels, "{way}");
        let told = it
            .world
            .find_product(&devportal_api::id::ProductId::new(OWNER, "games"));
        let rule = told.and_then(|it| it.status.clone()?.auth_rule);
        assert_eq!(rule.as_deref(), Some("keys"), "{way}");
    }
}

#[test]
fn another_rule_of_the_policy_moves_no_key_unless_the_product_names_it() {
    let mut it = brought();
    let secret = enforced_name(&it);
    let rules = |names: &[&str]| {
        let mut policy = rules([("keys", api_key(&[("api", "games")]))]);
        for name in names {
            let rule = api_key(&[("api", *name)]);
            policy.authentication.insert((*name).to_owned(), rule);
        }
        policy
    };
    let set = |it: &mut Simulation, rules| {
        it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.rules = Some(rules));
        it.settle();
        oracle::check(it);
    };
    it.writes.clear();
    set(&mut it, rules(&["a-new-one"]));
    assert_eq!(it.wrote(), ["product status"]);
    assert_eq!(enforced_name(&it), secret);
    it.restart();
    it.settle();
    assert_eq!(enforced_name(&it), secret);

    it.edit::<APIProduct>(OWNER, "games", |it| {
        it.spec.auth_rule = Some("a-new-one".into());
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "a-new-one");
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.auth_rule = Some("none".into()));
    it.settle();
    assert_eq!(it.says("alice"), ["Failed/APIKeyAuthSchemeNotFound"]);
    let told = |it: &Simulation| {
        let status = it.cluster.products[&pair(OWNER, "games")].status.clone();
        let mut all = status.unwrap().conditions.into_iter();
        all.find(|it| it.type_ == "AuthRuleFound")
            .map(|it| it.message)
    };
    let message = told(&it).expect("a word");
    assert!(
        message.contains("\"none\"") && message.contains("a-new-one, keys"),
        "{message}"
    );
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.auth_rule = None);
    it.settle();
    assert_eq!(
        it.enforced("alice")[0].1.labels["api"],
        "a-new-one",
        "it was used last"
    );
    // A rule that is gone gives way.
    set(&mut it, rules(&[]));
    assert_eq!(it.enforced("alice")[0].1.labels["api"], "games");
}

#[test]
fn a_key_works_as_soon_as_the_other_opens_another_api_only() {
    let mut it = of_one_value();
    let mut maps = product_named("maps");
    maps.spec.target_ref.name = "maps".into();
    it.create(maps);
    it.create(route("maps"));
    it.create(plans("maps"));
    // The selector of the one takes the keys of the other as well.
    it.create(auth("maps").with(rules([("keys", api_key(&[("api", "games")]))])));
    it.edit::<APIKey>(CONSUMER, "bob", |it| *it = it.clone().asking_for("maps"));
    it.settle();
    for name in ["alice", "bob"] {
        it.create(approval(name, name, true, at(0)));
        it.settle();
    }
    assert_eq!(it.says("bob"), IN_USE);
    it.edit::<AuthPolicy>(OWNER, "maps", |it| {
        it.spec.rules = Some(rules([("keys", api_key(&[("api", "maps")]))]));
    });
    it.settle();
    assert_eq!(it.says("bob"), WORKING);
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_tier_or_a_requester_of_any_characters_is_written_once() {
    let mut it = Simulation::ready(product().automatic());
    let mut odd = key("alice").on_tier("gold\0: \u{7}");
    odd.spec.requested_by.user_id = "alice\0".into();
    it.create(odd);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.accepted("alice").len(), 1);
    it.wrote();
    it.pass(minutes(10));
    it.restart();
    it.settle();
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

#[test]
fn a_key_that_brings_the_value_of_a_generated_one_has_it_once_that_gives_way() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.create(key("bob").brought("alice-apikey-secret"));
    it.settle();
    assert_eq!(it.says("bob"), IN_USE);
    it.bring("own", Some("another value"));
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().brought("own"));
    it.settle();
    assert_eq!(it.accepted("alice"), ["another value"]);
    assert_eq!(it.accepted("bob"), [value]);
    assert_eq!(it.overlooked(), vec![]);
}
