//! Which one state a key is in, and what it says.

use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy, PolicyStatus};
use devportal_api::key::Phase;
use devportal_api::product::{ApprovalMode, PublishStatus};
use devportal_api::scheme::{Credentials, Limits, Named};
use devportal_api::{APIKey, APIKeyApproval, APIKeyStatus, APIProduct};
use devportal_core::Settings;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use crate::common::hands::pair;
use crate::common::*;

/// A key that was brought and approved, and works.
fn working() -> Simulation {
    let mut simulation = Simulation::ready(product());
    simulation.bring("own", Some("secret"));
    simulation.create(key("alice").brought("own"));
    simulation.create(approval("yes", "alice", true, at(0)));
    simulation.settle();
    assert_eq!(
        simulation.says("alice"),
        ["Approved/Approved", "Enforced/Enforced"]
    );
    simulation.writes.clear();
    simulation
}

fn failed(simulation: &mut Simulation) -> (String, String) {
    simulation.settle();
    oracle::check(simulation);
    let says = simulation.says("alice");
    let [reason] = &says[..] else {
        panic!("{says:?}")
    };
    (reason.clone(), simulation.message("alice"))
}

fn texts(reason: &str, message: &str) -> (String, String) {
    (format!("Failed/{reason}"), message.into())
}

#[test]
fn every_blocker_says_what_is_missing() {
    let mut it = working();
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    assert_eq!(
        failed(&mut it),
        texts("KuadrantNotFound", "Kuadrant CR not found in cluster")
    );

    let mut it = working();
    it.delete::<APIProduct>(OWNER, "games");
    let text = texts(
        "APIProductNotFound",
        "Referenced APIProduct owner/games not found",
    );
    assert_eq!(failed(&mut it), text);

    let mut it = working();
    it.edit::<APIProduct>(OWNER, "games", |it| {
        it.meta_mut().finalizers = product().finalized().metadata.finalizers;
    });
    it.delete::<APIProduct>(OWNER, "games");
    let text = texts(
        "APIProductDeleting",
        "Referenced APIProduct owner/games is being deleted",
    );
    assert_eq!(failed(&mut it), text);

    let mut it = working();
    it.cluster.delete_secret(&pair(CONSUMER, "own"));
    let text = texts("SecretNotFound", "Referenced secret consumer/own not found");
    assert_eq!(failed(&mut it), text);

    let mut it = working();
    it.bring("own", None);
    let text = r#"Secret consumer/own does not contain "api_key" entry"#;
    assert_eq!(failed(&mut it), texts("SecretAPIKeyNotFound", text));

    let mut it = working();
    it.bring("own", Some(""));
    let text = r#"Secret consumer/own has empty "api_key" entry"#;
    assert_eq!(failed(&mut it), texts("SecretAPIKeyEmpty", text));

    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    let text = "APIProduct owner/games does not have a discovered authentication scheme";
    assert_eq!(failed(&mut it), texts("AuthSchemeNotFound", text));

    let mut it = working();
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("tokens", jwt("https://issuer"))]));
    });
    let text = "APIProduct owner/games does not have an API key authentication scheme configured";
    assert_eq!(failed(&mut it), texts("APIKeyAuthSchemeNotFound", text));
}

#[test]
fn the_first_blocker_in_the_order_of_the_contract_is_told() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.cluster.delete_secret(&pair(CONSUMER, "own"));
    assert_eq!(failed(&mut it).0, "Failed/SecretNotFound");
    it.delete::<APIProduct>(OWNER, "games");
    assert_eq!(failed(&mut it).0, "Failed/APIProductNotFound");
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    assert_eq!(failed(&mut it).0, "Failed/KuadrantNotFound");
}

#[test]
fn failed_goes_before_denied_and_denied_before_expired() {
    let mut it = working();
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(10)));
    it.pass(minutes(1));
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    assert_eq!(it.says("alice"), ["Denied/Denied"]);
    it.bring("own", None);
    it.settle();
    assert_eq!(it.says("alice"), ["Failed/SecretAPIKeyNotFound"]);
}

#[test]
fn an_unknown_tier_a_missing_plan_and_an_unaccepted_route_do_not_fail_a_key() {
    let mut it = working();
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans.truncate(0));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/NoPlans"]);
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans.push(plan("silver", 1)));
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/UnknownTier"]
    );
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.spec.plans.push(plan_of("gold", Limits::default()));
    });
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "Enforced/Unlimited"]
    );
    // However long the product has told of the tier.
    it.pass(minutes(5));
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.status = Some(PolicyStatus {
            conditions: vec![condition("Enforced", false)],
            ..PolicyStatus::default()
        });
    });
    it.settle();
    let unlimited = ["Approved/Approved", "Enforced/Unlimited"];
    assert_eq!(it.says("alice"), unlimited, "it may be on its way");
    it.pass(minutes(1));
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/PlansNotEnforced"]
    );
    it.edit::<PlanPolicy>(OWNER, "games", |it| drop(it.spec.plans.pop()));
    it.edit::<devportal_api::foreign::HTTPRoute>(OWNER, "games", |it| it.status = None);
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/UnknownTier"]
    );
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn a_value_that_no_client_can_send_opens_nothing_and_says_why() {
    let mut it = working();
    it.bring("own", Some("padded "));
    let (reason, message) = failed(&mut it);
    assert_eq!(reason, "Failed/SecretAPIKeyUnsendable");
    assert!(message.contains("line break") && !message.contains("padded"));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it.bring("own", Some("better"));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
}

#[test]
fn a_value_with_a_semicolon_is_no_key_where_keys_go_in_a_cookie() {
    let mut it = working();
    it.bring("own", Some("one;two"));
    it.settle();
    assert_eq!(it.accepted("alice"), ["one;two"]);
    let place = |it: &mut Simulation, place: Credentials| {
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            let mut rule = api_key(&[("api", "games")]);
            rule.credentials = Some(place);
            it.spec.rules = Some(rules([("keys", rule)]));
        });
        it.settle();
        oracle::check(it);
    };
    let of = |name: &str| Some(Named { name: name.into() });
    place(
        &mut it,
        Credentials {
            query_string: of("key"),
            ..Credentials::default()
        },
    );
    assert_eq!(it.accepted("alice"), ["one;two"], "it is encoded there");
    place(
        &mut it,
        Credentials {
            cookie: of("key"),
            ..Credentials::default()
        },
    );
    let (reason, message) = failed(&mut it);
    assert_eq!(reason, "Failed/SecretAPIKeyUnsendable");
    assert!(message.contains("semicolon"), "{message}");
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    // Another rule takes keys elsewhere: only one that takes this key helps.
    let others: [(&[(&str, &str)], _); 3] = [
        (&[("api", "staff")], "Failed"),
        (&[("api", "games")], "Approved"),
        (&[], "Approved"),
    ];
    for (taken, says) in others {
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            let rules = it.spec.rules.as_mut().expect("rules");
            let rule = api_key(taken);
            rules.authentication.insert("more".into(), rule);
        });
        it.settle();
        oracle::check(&it);
        assert!(it.says("alice")[0].starts_with(says), "{taken:?}");
    }
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        let rules = it.spec.rules.as_mut().expect("rules");
        rules.authentication.remove("more");
    });
    it.bring("own", Some("better"));
    it.settle();
    assert_eq!(it.accepted("alice"), ["better"]);
}

#[test]
fn a_value_that_can_be_guessed_is_told_or_refused() {
    let mut it = working();
    it.bring("own", Some("weak"));
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "Enforced/Enforced", GUESSABLE]
    );
    assert_eq!(it.accepted("alice"), ["weak"]);
    let mut it = it.set(Settings {
        refuses_weak: true,
        ..Settings::default()
    });
    assert_eq!(failed(&mut it).0, "Failed/SecretAPIKeyWeak");
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

const GUESSABLE: &str = "ValueGuessable/WeakValue";

#[test]
fn a_value_that_can_be_guessed_is_told_whatever_else_is() {
    type Change = fn(&mut Simulation);
    let cases: [(&[&str], Change); 8] = [
        (&["Approved/Approved", "!Enforced/NoPlans"], |it| {
            it.delete::<PlanPolicy>(OWNER, "games");
        }),
        (&["Approved/Approved", "!Enforced/UnknownTier"], |it| {
            it.edit::<PlanPolicy>(OWNER, "games", |it| drop(it.spec.plans.remove(0)));
        }),
        (&["Approved/Approved", "Enforced/Unlimited"], |it| {
            it.edit::<PlanPolicy>(OWNER, "games", |it| {
                it.spec.plans[0].limits = Limits::default();
            });
        }),
        (&["Approved/Approved", "!Enforced/PlansNotEnforced"], |it| {
            it.edit::<PlanPolicy>(OWNER, "games", |it| {
                it.status = Some(PolicyStatus {
                    conditions: vec![condition("Enforced", false)],
                    ..PolicyStatus::default()
                });
            });
            it.settle();
            it.pass(minutes(1));
        }),
        (
            &[
                "Approved/Approved",
                "!Enforced/AwaitingReapproval",
                "!ChangeApproved/AwaitingReapproval",
            ],
            |it| {
                it.edit::<APIKey>(CONSUMER, "alice", |it| it.spec.plan_tier = "silver".into());
            },
        ),
        (
            &["Approved/Approved", "!Enforced/AuthPolicyNotEnforced"],
            |it| {
                it.edit::<AuthPolicy>(OWNER, "games", |it| {
                    it.tell(&[("Accepted", true), ("Enforced", false)]);
                });
            },
        ),
        (&["Failed/AuthSchemeNotFound"], |it| {
            it.delete::<AuthPolicy>(OWNER, "games");
        }),
        (&["Pending/AwaitingApproval"], |it| {
            it.delete::<APIKeyApproval>(OWNER, "yes");
        }),
    ];
    for (states, change) in cases {
        let mut it = working();
        it.bring("own", Some("weak"));
        it.settle();
        change(&mut it);
        it.settle();
        assert_eq!(it.says("alice"), [states, &[GUESSABLE]].concat());
        let conditions = &it.key("alice").status.as_ref().unwrap().conditions;
        let told = conditions.last().unwrap();
        assert!(told.message.contains("Write a random one"));
        assert!(!told.message.contains("weak"), "the value is not told");
        it.wrote();
        it.restart();
        it.settle();
        assert_eq!(it.wrote(), Vec::<&str>::new(), "{states:?}");
        it.bring("own", Some("better"));
        it.settle();
        oracle::check(&it);
        // Of a key that lacks something nothing is made anew.
        let is_kept = states == ["Failed/AuthSchemeNotFound"];
        let says = it.says("alice");
        assert_eq!(says.contains(&GUESSABLE.to_owned()), is_kept, "{says:?}");
    }
}

/// The marks of tools that apply what is in Git, and of this run of theirs.
fn mark<K: Resource>(object: &mut K, run: &str) {
    let labels = [
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/namespace",
        "app.kubernetes.io/managed-by",
    ];
    let annotations = [
        "argocd.argoproj.io/tracking-id",
        "kubectl.kubernetes.io/last-applied-configuration",
        "meta.helm.sh/release-name",
    ];
    let marks = |names: &[&str]| names.iter().map(|it| ((*it).into(), run.into())).collect();
    object.meta_mut().labels = Some(marks(&labels));
    object.meta_mut().annotations = Some(marks(&annotations));
}

#[test]
fn marks_of_gitops_tools_do_not_travel_and_their_change_writes_nothing() {
    fn marked<K: Resource>(mut object: K) -> K {
        mark(&mut object, "shop");
        object
    }
    let own = pair(CONSUMER, "own");
    let label_secret = |it: &mut Simulation, run: &str| {
        it.cluster.put_secret(&own, |it| {
            let name = "argocd.argoproj.io/instance".to_owned();
            it.annotations.insert(name.clone(), run.into());
            it.labels.insert(name, run.into());
        });
    };
    let mut it = Simulation::ready(marked(product().automatic()));
    it.bring("own", Some("secret"));
    label_secret(&mut it, "shop");
    it.create(marked(key("alice").brought("own")));
    it.create(marked(key("bob")));
    it.settle();
    it.create(marked(approval("yes", "alice", true, at(10))));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("bob"), ["Approved/Approved", "Enforced/Enforced"]);

    let is_mark = |name: &String| !name.contains("kuadrant") && name.contains('/');
    let mut travelled = Vec::new();
    for (name, secret) in it.cluster.secrets.iter().filter(|(name, _)| **name != own) {
        let names = secret.labels.keys().chain(secret.annotations.keys());
        travelled.extend(names.filter(|it| is_mark(it)).map(|it| (name, it)));
    }
    for (name, request) in &it.cluster.requests {
        let names = request.labels().keys().chain(request.annotations().keys());
        travelled.extend(names.filter(|it| is_mark(it)).map(|it| (name, it)));
    }
    for (name, approval) in it.cluster.approvals.iter().filter(|it| it.0.1 != "yes") {
        let names = approval
            .labels()
            .keys()
            .chain(approval.annotations().keys());
        travelled.extend(names.filter(|it| is_mark(it)).map(|it| (name, it)));
    }
    assert_eq!(travelled, vec![]);
    let made = (it.cluster.secrets.len(), it.cluster.requests.len());
    assert_eq!((made, it.cluster.approvals.len()), ((4, 2), 3));

    it.wrote();
    it.edit::<APIProduct>(OWNER, "games", |it| mark(it, "another"));
    for name in ["alice", "bob"] {
        it.edit::<APIKey>(CONSUMER, name, |it| mark(it, "another"));
    }
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| mark(it, "another"));
    label_secret(&mut it, "another");
    it.settle();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

#[test]
fn a_draft_approves_by_itself_unless_that_is_refused() {
    let draft = || {
        let mut draft = product().automatic();
        draft.spec.publish_status = PublishStatus::Draft;
        draft
    };
    let mut it = Simulation::ready(draft());
    it.create(key("alice"));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
    let mut it = Simulation::ready(draft()).set(Settings {
        refuses_drafts: true,
        ..Settings::default()
    });
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    let waits = [
        "Pending/AwaitingApproval",
        "!AutomaticApproval/ProductDraft",
    ];
    assert_eq!(it.says("alice"), waits);
    it.edit::<APIProduct>(OWNER, "games", |it| {
        it.spec.publish_status = PublishStatus::Published;
    });
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
}

#[test]
fn losing_the_auth_policy_does_not_lose_the_approval() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.pass(minutes(60));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it.create(auth("games"));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn what_keys_rest_on_is_replaced_and_no_key_changes() {
    type Step = fn(&mut Simulation);
    let replaced: [(&str, Step, Step); 4] = [
        (
            "route",
            |it| it.delete::<HTTPRoute>(OWNER, "games"),
            |it| it.create(route("games")),
        ),
        (
            "plans",
            |it| it.delete::<PlanPolicy>(OWNER, "games"),
            |it| it.create(plans("games")),
        ),
        (
            "policy",
            |it| it.delete::<AuthPolicy>(OWNER, "games"),
            |it| it.create(auth("games")),
        ),
        (
            "product",
            |it| it.delete::<APIProduct>(OWNER, "games"),
            |it| it.create(product()),
        ),
    ];
    let mut it = working();
    it.create(key("bob"));
    it.create(approval("bob", "bob", true, at(0)));
    it.settle();
    it.cluster.collect();
    it.settle();
    let values = |it: &Simulation| {
        let of = |name| it.accepted(name).into_iter().map(str::to_owned);
        of("alice").chain(of("bob")).collect::<Vec<_>>()
    };
    let (before, approvals) = (values(&it), it.cluster.approvals.len());
    assert_eq!(before.len(), 2);
    let mut replace = |what: &str, steps: &[Step]| {
        it.writes.clear();
        for step in steps {
            step(&mut it);
        }
        it.settle();
        it.cluster.collect();
        it.settle();
        oracle::check(&it);
        assert_eq!(values(&it), before, "{what}");
        assert_eq!(it.cluster.approvals.len(), approvals, "{what}");
        let mut wrote = it.wrote();
        wrote.retain(|it| it.contains("Secret") || it.contains("credential"));
        assert_eq!(wrote, [""; 0], "{what}");
    };
    for (what, delete, create) in replaced {
        replace(what, &[delete, create]);
        if what != "product" {
            // Also where it is gone for a while.
            replace(what, &[delete, |it| it.settle(), create]);
        }
    }
    let all = replaced.iter();
    let deletions = all.clone().map(|it| it.1);
    let steps: Vec<Step> = deletions.chain(all.map(|it| it.2)).collect();
    replace("all", &steps);
}

#[test]
fn a_missing_product_recovers_by_itself() {
    let mut it = working();
    it.delete::<APIProduct>(OWNER, "games");
    it.settle();
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it.create(product());
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn a_key_expires_at_the_exact_second_and_its_request_says_so_too() {
    let mut it = working();
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(100)));
    it.settle();
    it.cluster.now = at(99);
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
    it.cluster.now = at(100);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
    assert_eq!(
        it.message("alice"),
        format!("API key expired at {}", at(100))
    );
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    let request = it.request("alice").unwrap().status.clone().unwrap();
    assert_eq!(
        request.conditions,
        it.key("alice").status.as_ref().unwrap().conditions
    );
}

#[test]
fn a_key_that_is_over_when_it_is_made_never_has_a_secret() {
    let makes: [fn() -> APIKey; 3] = [
        || key("alice"),
        || key("alice").brought("own"),
        || key("alice").shown_once(),
    ];
    for product in [product(), product().automatic()] {
        for end in [0, -1, -1_000_000_000] {
            for make in makes {
                let mut it = Simulation::ready(product.clone());
                it.bring("own", Some("secret"));
                it.create(make().expiring(at(end)));
                it.settle();
                if product.spec.approval_mode == ApprovalMode::Manual {
                    it.create(approval("yes", "alice", true, at(0)));
                    it.settle();
                }
                oracle::check(&it);
                assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
                it.restart();
                it.pass(minutes(60));
                let wrote = it.wrote();
                assert!(!wrote.contains(&"create Secret"), "{end}: {wrote:?}");
            }
        }
    }
}

#[test]
fn a_key_ends_in_its_second_however_far_that_is_and_whoever_else_ends_in_it() {
    for end in [1, 100, 3_000_000_000] {
        let mut it = Simulation::ready(product().automatic());
        for name in ["alice", "bob"] {
            it.create(key(name).expiring(at(end)));
        }
        it.create(key("carol").expiring(at(end + 1)));
        it.settle();
        it.cluster.now = at(end - 1);
        it.settle();
        for name in ["alice", "bob", "carol"] {
            assert_eq!(it.says(name), ["Approved/Approved", "Enforced/Enforced"]);
        }
        it.cluster.now = at(end);
        it.settle();
        oracle::check(&it);
        for name in ["alice", "bob"] {
            assert_eq!(it.says(name), ["Expired/KeyExpired"]);
            assert_eq!(it.accepted(name), Vec::<&str>::new());
        }
        assert_eq!(it.accepted("carol").len(), 1);
    }
}

#[test]
fn an_end_that_is_moved_to_the_past_ends_access_at_once() {
    for end in [0, -1, -1_000_000_000] {
        let mut it = Simulation::ready(product());
        it.create(key("alice").expiring(at(100)));
        it.create(approval("yes", "alice", true, at(0)));
        it.settle();
        assert_eq!(it.accepted("alice").len(), 1);
        it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(end)));
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), ["Expired/KeyExpired"]);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    }
}

#[test]
fn a_key_expires_on_time_while_something_is_missing() {
    let mut it = working();
    it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(100)));
    it.settle();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    assert_eq!(it.accepted("alice"), ["secret"]);
    it.cluster.now = at(100);
    it.settle();
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

#[test]
fn a_policy_that_is_removed_leaves_its_keys_five_minutes_of_grace() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice"), ["secret"]);
    it.pass(minutes(1));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    oracle::check(&it);
}

#[test]
fn the_grace_begins_when_the_policy_is_missed_and_not_with_an_earlier_fault() {
    let mut it = working();
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.delete::<AuthPolicy>(OWNER, "games");
    it.pass(minutes(30));
    assert_eq!(it.says("alice"), ["Failed/KuadrantNotFound"]);
    it.create(kuadrant());
    it.settle();
    assert_eq!(it.says("alice"), ["Failed/AuthSchemeNotFound"]);
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice"), ["secret"]);
    it.restart();
    it.pass(minutes(1));
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    oracle::check(&it);
}

#[test]
fn whoever_writes_a_status_gains_no_longer_grace() {
    let mut it = working();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        let status = it.status.get_or_insert_default();
        status.grace_until = Some(Time(at(1_000_000)));
    });
    while it.deliver() {}
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    let told = it.key("alice").status.as_ref().unwrap().grace_until.clone();
    let latest = it.cluster.now + minutes(5);
    assert!(told.is_some_and(|it| it.0 <= latest));
}

#[test]
fn a_policy_that_comes_back_ends_the_grace() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.pass(minutes(4));
    let noted = |it: &Simulation| it.key("alice").status.as_ref().unwrap().grace_until.clone();
    assert!(noted(&it).is_some());
    it.create(auth("games"));
    it.settle();
    assert_eq!(noted(&it), None);
    it.delete::<AuthPolicy>(OWNER, "games");
    it.pass(minutes(4));
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn the_end_of_the_grace_is_noted_although_something_else_is_refused() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.use_case = Some("fun".into());
    });
    it.cluster.refused.insert("APIKeyRequest");
    it.settle();
    let told = it.key("alice").status.as_ref().unwrap();
    assert!(told.grace_until.is_some());
}

#[test]
fn the_grace_ends_although_the_secret_is_unread() {
    for is_noted in [true, false] {
        let mut it = working();
        it.delete::<AuthPolicy>(OWNER, "games");
        if is_noted {
            it.settle();
        }
        it.cluster.reads_nothing = true;
        it.restart();
        it.settle();
        it.pass(minutes(4));
        assert_eq!(it.accepted("alice"), ["secret"]);
        it.pass(minutes(1));
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    }
}

#[test]
fn a_grace_that_is_over_is_not_remembered_although_something_else_is_refused() {
    let mut it = working();
    it.delete::<AuthPolicy>(OWNER, "games");
    it.settle();
    it.create(auth("games"));
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.use_case = Some("fun".into());
    });
    it.cluster.refused.insert("APIKeyRequest");
    it.settle();
    let told = it.key("alice").status.as_ref().unwrap();
    assert_eq!(told.grace_until, None);
}

#[test]
fn access_ends_with_its_approval_or_product_although_the_secret_is_unread() {
    let ends: [fn(&mut Simulation); 2] = [
        |it| it.delete::<APIKeyApproval>(OWNER, "yes"),
        |it| it.delete::<APIProduct>(OWNER, "games"),
    ];
    for end in ends {
        let mut it = working();
        end(&mut it);
        it.cluster.reads_nothing = true;
        it.restart();
        it.settle();
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    }
}

#[test]
fn a_policy_that_is_not_enforced_for_a_while_costs_no_secret_write() {
    let mut it = working();
    for enforced in [false, true, false, true] {
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            it.tell(&[("Accepted", true), ("Enforced", enforced)]);
        });
        it.pass(minutes(30));
        oracle::check(&it);
        let second = if enforced {
            "Enforced/Enforced"
        } else {
            "!Enforced/AuthPolicyNotEnforced"
        };
        assert_eq!(it.says("alice"), ["Approved/Approved", second]);
    }
    let wrote = it.wrote();
    assert!(!wrote.iter().any(|it| it.contains("Secret")), "{wrote:?}");
}

#[test]
fn a_policy_that_is_not_accepted_for_a_while_takes_no_working_key_down() {
    let mut it = working();
    it.edit::<AuthPolicy>(OWNER, "games", |it| it.tell(&[("Accepted", false)]));
    it.pass(minutes(30));
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/AuthPolicyNotEnforced"]
    );
    assert_eq!(it.accepted("alice"), ["secret"]);
}

#[test]
fn a_product_that_becomes_automatic_approves_the_waiting_and_keeps_decisions() {
    let mut it = Simulation::ready(product());
    for name in ["alice", "bob"] {
        it.create(key(name));
    }
    it.create(approval("no", "bob", false, at(0)));
    it.settle();
    let switch = |it: &mut Simulation, mode| {
        it.edit::<APIProduct>(OWNER, "games", |it| it.spec.approval_mode = mode);
        it.settle();
        (it.says("alice")[0].clone(), it.says("bob")[0].clone())
    };
    let decided = ("Approved/Approved".to_owned(), "Denied/Denied".to_owned());
    assert_eq!(switch(&mut it, ApprovalMode::Automatic), decided);
    assert_eq!(switch(&mut it, ApprovalMode::Manual), decided);
}

#[test]
fn the_whole_status_of_a_working_key() {
    let it = working();
    let key = it.key("alice");
    let status = key.status.clone().unwrap();
    let found = it.world.find_discovery(&product_id("games")).unwrap();
    let rule = found.auth.key_rule.clone().unwrap();
    let told = |name: &str, reason: &str, message: &str| {
        let mut told = condition(name, true);
        told.reason = reason.into();
        told.message = message.into();
        told.observed_generation = Some(1);
        told
    };
    let approved = told("Approved", "Approved", "API key request approved by olga");
    let enforced = told(
        "Enforced",
        "Enforced",
        "The gateway accepts the key; the limits of its tier are shared by all keys of the tier",
    );
    let expected = APIKeyStatus {
        observed_generation: Some(1),
        api_hostname: Some("games.example.com".into()),
        limits: Some(plan("gold", 1000).limits),
        auth_scheme: Some(devportal_api::scheme::AuthScheme {
            authentication_spec: rule.api_key,
            credentials: None,
        }),
        conditions: vec![approved, enforced],
        phase: Some(Phase::Approved),
        reviewed_by: Some("olga".into()),
        reviewed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0))),
        secret_ref: Some(devportal_api::key::SecretKeyRef {
            name: "own".into(),
            key: "api_key".into(),
        }),
        can_read_secret: None,
        approved_terms: status.approved_terms.clone(),
        grace_until: None,
        credentials: vec![devportal_api::key::LiveCredential {
            id: it.enforced("alice")[0].0.1.clone(),
            revision: 0,
            created_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0))),
            digest: status.credentials[0].digest.clone(),
            ends_at: None,
        }],
    };
    assert_eq!(status, expected);
}

#[test]
fn what_a_portal_notes_about_reading_the_secret_survives() {
    let mut it = working();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.status.as_mut().unwrap().can_read_secret = Some(false);
    });
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.use_case = Some("games".into());
    });
    it.settle();
    it.restart();
    it.settle();
    let status = it.key("alice").status.clone().unwrap();
    assert_eq!(
        (status.can_read_secret, status.observed_generation),
        (Some(false), Some(2))
    );
}

#[test]
fn a_transition_time_moves_only_with_the_status() {
    let mut it = working();
    let since = |it: &Simulation| {
        it.key("alice").status.as_ref().unwrap().conditions[0]
            .last_transition_time
            .0
    };
    it.cluster.now = at(50);
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.message = Some("welcome".into()));
    it.settle();
    assert_eq!(
        it.message("alice"),
        "API key request approved by olga: welcome"
    );
    assert_eq!(since(&it), at(0));
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    assert_eq!(since(&it), at(50));
}

#[test]
fn a_restart_does_not_change_what_a_failed_or_denied_key_says() {
    let mut it = working();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.bring("own", None);
    it.settle();
    it.wrote();
    it.restart();
    it.settle();
    assert_eq!(it.wrote(), Vec::<&str>::new());
}
