//! What becomes of Secrets that others lay hands on.

use devportal_api::foreign::{AuthPolicy, Kuadrant};
use devportal_api::key::Rotation;
use devportal_api::name::{self, annotation, label};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};

use crate::common::cluster::{Admission, Name, Secret, digest};
use crate::common::hands::pair;
use crate::common::*;
use crate::credential::{WORKING, brought, copy, enforced_name, generated};

#[test]
fn a_deleted_copy_comes_back_with_its_value() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.delete_secret(&copy());
    it.settle();
    assert_eq!(it.cluster.secrets[&copy()].value, Some(value.clone()));
    assert_eq!(it.accepted("alice"), [value]);
}

#[test]
fn a_copy_that_was_tampered_with_is_put_back_and_the_gateway_never_notices() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    let uid = it.enforced("alice")[0].1.uid.clone();
    it.cluster
        .put_secret(&copy(), |it| it.value = Some("mine".into()));
    it.settle();
    assert_eq!(it.cluster.secrets[&copy()].value, Some(value));
    assert_eq!(it.enforced("alice")[0].1.uid, uid);
}

#[test]
fn an_enforcement_secret_that_was_deleted_or_tampered_with_is_put_back() {
    let changes: [fn(&mut Secret); 4] = [
        |it| it.value = Some("mine".into()),
        |it| it.value = None,
        |it| {
            drop(
                it.annotations
                    .insert(annotation::PLAN.into(), "platinum".into()),
            );
        },
        |it| drop(it.labels.remove("api")),
    ];
    for make in [brought, generated] {
        let mut it = make();
        let value = it.accepted("alice")[0].to_owned();
        let name = enforced_name(&it);
        it.cluster.delete_secret(&name);
        it.settle();
        assert_eq!(it.accepted("alice"), [value.as_str()]);
        for change in changes {
            let mut it = make();
            let name = enforced_name(&it);
            it.cluster.put_secret(&name, change);
            it.settle();
            oracle::check(&it);
            assert_eq!(it.accepted("alice"), [value.as_str()]);
        }
    }
}

#[test]
fn a_foreign_secret_of_the_copys_name_is_left_alone_and_the_key_says_so() {
    let mut it = Simulation::ready(product().automatic());
    it.cluster
        .put_secret(&copy(), |it| it.value = Some("foreign".into()));
    it.create(key("alice"));
    it.settle();
    oracle::check(&it);
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/SecretConflict"]
    );
    assert_eq!(
        it.cluster.secrets[&copy()].value.as_deref(),
        Some("foreign")
    );
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    it.cluster.delete_secret(&copy());
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
}

/// Whoever may make Secrets in the key's namespace may also write whose they are.
#[test]
fn a_secret_of_the_copys_name_that_says_it_is_the_keys_gives_it_no_weak_value() {
    let as_of_0_1 = |it: &mut Secret| {
        it.labels
            .insert(label::MANAGED_BY.into(), label::MANAGED_BY_AUTHORINO.into());
        it.annotations
            .insert(annotation::PLAN.into(), "gold".into());
    };
    let with_digest = |it: &mut Secret| {
        it.annotations
            .insert(annotation::DIGEST.into(), digest("weak"));
    };
    let forged: [fn(&mut Secret); 3] = [|_| (), with_digest, as_of_0_1];
    for forge in forged {
        let mut it = Simulation::ready(product());
        it.create(key("alice"));
        it.settle();
        let uid = it.key("alice").metadata.uid.clone();
        it.cluster.put_secret(&copy(), |it| {
            it.value = Some("weak".into());
            it.owner_uid = uid;
            forge(it);
        });
        it.create(approval("yes", "alice", true, at(0)));
        it.settle();
        oracle::check(&it);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
        assert_eq!(
            it.says("alice"),
            ["Approved/Approved", "!Enforced/SecretConflict"]
        );
        it.cluster.delete_secret(&copy());
        it.settle();
        assert_eq!(it.says("alice"), WORKING);
    }
}

#[test]
fn a_foreign_secret_of_the_enforcement_name_is_left_alone_until_it_goes() {
    let id = name::enforcement_secret(&key_id("alice"), KUADRANT);
    let squatted = pair(&id.namespace, &id.name);
    let mut it = Simulation::ready(product().automatic());
    it.cluster
        .put_secret(&squatted, |it| it.value = Some("foreign".into()));
    it.create(key("alice"));
    it.settle();
    assert_eq!(
        it.says("alice"),
        ["Approved/Approved", "!Enforced/SecretConflict"]
    );
    it.pass(minutes(1));
    assert_eq!(
        it.cluster.secrets[&squatted].value.as_deref(),
        Some("foreign")
    );
    it.cluster.delete_secret(&squatted);
    it.pass(minutes(1));
    assert_eq!(it.says("alice"), WORKING);
}

#[test]
fn a_secret_that_lost_the_mark_of_being_ours_is_put_right_and_goes_with_its_key() {
    for is_seen in [true, false] {
        let mut it = brought();
        let name = enforced_name(&it);
        it.cluster.put_secret(&name, |it| {
            it.labels.remove(label::ENFORCEMENT);
        });
        if is_seen {
            it.settle();
            oracle::check(&it);
            assert_eq!(it.says("alice"), WORKING);
            assert!(!it.cluster.secrets.contains_key(&name));
        } else {
            it.restart();
        }
        it.delete::<devportal_api::APIKey>(CONSUMER, "alice");
        it.settle();
        let annotation = devportal_api::name::annotation::KEY;
        let mut left = it.cluster.secrets.values();
        assert!(left.all(|it| !it.annotations.contains_key(annotation)));
    }
}

#[test]
fn a_restart_where_there_is_no_kuadrant_writes_nothing() {
    let mut it = generated();
    it.delete::<Kuadrant>(KUADRANT, "kuadrant");
    it.settle();
    let status = it.key("alice").status.clone().unwrap();
    assert_eq!(
        status.credentials,
        [],
        "nobody can tell what becomes of them"
    );
    it.cluster.delete_secret(&enforced_name(&it));
    it.wrote();
    it.restart();
    it.settle();
    assert_eq!(it.wrote(), Vec::<&str>::new());
    it.create(kuadrant());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(
        it.key("alice").status.as_ref().unwrap().credentials.len(),
        1
    );
}

const STILL_OPEN: &str = "Enforced/RevocationRefused";

/// A key that was approved by a person, with a Secret that a finalizer holds.
fn held() -> (Simulation, Name) {
    let mut it = Simulation::ready(product());
    it.bring("own", Some("secret"));
    it.create(key("alice").brought("own"));
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let name = enforced_name(&it);
    it.cluster.put_secret(&name, |it| it.held = true);
    (it, name)
}

fn listed(it: &Simulation) -> usize {
    it.key("alice").status.as_ref().unwrap().credentials.len()
}

#[test]
fn a_key_whose_secret_is_held_says_that_it_opens_the_api_until_it_does_not() {
    type Change = fn(&mut Simulation);
    let cases: [(&str, Change); 5] = [
        ("Denied/Denied", |it| {
            it.pass(minutes(1));
            it.create(approval("no", "alice", false, it.cluster.now));
        }),
        ("Pending/AwaitingApproval", |it| {
            it.delete::<APIKeyApproval>(OWNER, "yes");
        }),
        ("Expired/KeyExpired", |it| {
            it.edit::<APIKey>(CONSUMER, "alice", |it| *it = it.clone().expiring(at(30)));
            it.settle();
            it.pass(minutes(1));
        }),
        ("Failed/APIProductNotFound", |it| {
            it.delete::<APIProduct>(OWNER, "games");
        }),
        ("Failed/AuthSchemeNotFound", |it| {
            it.delete::<AuthPolicy>(OWNER, "games");
            it.settle();
            let until = it.key("alice").status.clone().unwrap().grace_until;
            assert!(until.is_some());
            it.pass(minutes(6));
        }),
    ];
    for (state, take_away) in cases {
        let (mut it, name) = held();
        take_away(&mut it);
        it.settle();
        assert_eq!(it.says("alice"), [state, STILL_OPEN]);
        assert_eq!(listed(&it), 1, "{state}");
        it.wrote();
        it.pass(minutes(10));
        assert_eq!(
            it.wrote(),
            Vec::<&str>::new(),
            "it is not deleted again and again"
        );
        it.cluster.delete_held(&name);
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), [state]);
        assert_eq!(listed(&it), 0);
    }
}

#[test]
fn a_deleted_key_whose_secret_is_held_is_not_deleted_again_and_again() {
    for is_held in [false, true] {
        let (mut it, name) = held();
        if is_held {
            it.edit::<APIKey>(CONSUMER, "alice", |it| {
                it.metadata.finalizers = Some(vec!["example.com/hold".into()]);
            });
        }
        it.settle();
        it.wrote();
        it.delete::<APIKey>(CONSUMER, "alice");
        it.settle();
        let mut deletions = it.wrote();
        deletions.retain(|it| *it == "delete credential");
        assert_eq!(deletions, ["delete credential"]);
        it.pass(minutes(10));
        it.restart();
        it.pass(minutes(10));
        assert_eq!(it.wrote(), Vec::<&str>::new());
        if is_held {
            assert_eq!(it.says("alice"), ["Approved/Approved", STILL_OPEN]);
            assert_eq!(listed(&it), 1);
        }
        assert!(it.cluster.secrets.contains_key(&name));
        it.cluster.delete_held(&name);
        it.settle();
        it.wrote();
        it.pass(minutes(10));
        assert_eq!(it.wrote(), Vec::<&str>::new());
        assert_eq!(it.enforced("alice").len(), 0);
        if is_held {
            assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Ending"]);
        }
    }
}

#[test]
fn a_key_that_is_approved_again_while_its_secret_is_held_gets_another() {
    let (mut it, name) = held();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = true);
    it.settle();
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.enforced("alice").len(), 2);
    // A value that is over and held is told.
    it.bring("own", Some("another"));
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", STILL_OPEN]);
    it.cluster.delete_held(&name);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
}

/// The gateway keeps one Secret of a value, the one that it saw last, and forgets the value with
/// that one.
#[test]
fn a_key_whose_terms_change_while_its_secret_is_held_has_one_that_the_gateway_saw_after_that() {
    let (mut it, name) = held();
    let plan_seen_last = |it: &Simulation| {
        let all = it.cluster.secrets.values().filter(|it| it.is_enforcement());
        let last = all.max_by_key(|it| it.version).unwrap();
        last.annotations[annotation::PLAN].clone()
    };
    it.pass(minutes(1));
    let mut less = approval("less", "alice", true, it.cluster.now);
    less.spec.plan_tier = Some("silver".into());
    it.create(less);
    it.settle();
    assert!(it.cluster.secrets[&name].deleting);
    assert_eq!(plan_seen_last(&it), "silver");
    it.cluster.put_secret(&name, |it| {
        it.annotations
            .insert("example.com/held-by".into(), "one less".into());
    });
    it.settle();
    assert_eq!(plan_seen_last(&it), "silver");
    assert_eq!(it.enforced("alice").len(), 2);
    it.cluster.delete_held(&name);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.enforced("alice").len(), 1);
}

#[test]
fn whoever_holds_each_secret_that_is_to_go_fills_no_namespace() {
    for wanted in [key("alice"), key("alice").shown_once()] {
        let mut it = Simulation::ready(product().automatic());
        it.cluster.admission = Admission::Holds;
        it.create(wanted);
        it.settle();
        assert_eq!(it.says("alice"), WORKING);
        let mut counts = Vec::new();
        for change in 1..=8 {
            it.edit::<APIKey>(CONSUMER, "alice", |it| {
                *it = it.clone().expiring(at(1_000_000 - change));
            });
            it.settle();
            it.pass(minutes(30));
            counts.push(it.enforced("alice").len());
        }
        let most = counts.iter().max().copied().unwrap_or_default();
        assert!(most <= 6, "{counts:?}");
        let told = it.says("alice");
        assert_eq!(told, ["Approved/Approved", STILL_OPEN], "{counts:?}");
    }
}

#[test]
fn secrets_of_other_values_that_are_held_keep_no_key_from_a_new_one() {
    let mut it = Simulation::ready(product().automatic());
    it.cluster.admission = Admission::Holds;
    it.create(key("alice"));
    it.settle();
    for revision in 1..=6 {
        it.edit::<APIKey>(CONSUMER, "alice", |it| {
            it.spec.rotation = Some(Rotation {
                revision,
                overlap: Some("0s".into()),
            });
        });
        it.settle();
        it.pass(minutes(1));
        let newest = format!("generated-{}", it.cluster.generated);
        assert!(it.accepted("alice").contains(&&*newest), "{revision}");
    }
}

#[test]
fn a_brought_secret_that_a_finalizer_holds_is_a_key_until_it_is_gone() {
    let mut it = brought();
    let value = it.accepted("alice")[0].to_owned();
    let own = pair(CONSUMER, "own");
    it.cluster.put_secret(&own, |it| it.held = true);
    it.cluster.delete_secret(&own);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice"), [&*value]);
    it.cluster.delete_held(&own);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Failed/SecretNotFound"]);
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

#[test]
fn a_copy_that_a_finalizer_holds_holds_up_nothing_that_needs_no_other_value() {
    type Change = fn(&mut Simulation);
    let changes: [(&str, Change); 3] = [
        ("labels", |it| {
            it.edit::<AuthPolicy>(OWNER, "games", |it| {
                it.spec.rules = Some(rules([("keys", api_key(&[("api", "another")]))]));
            });
        }),
        ("tier", |it| {
            it.edit::<APIKey>(CONSUMER, "alice", |it| {
                *it = it.clone().on_tier("silver");
            });
        }),
        ("restart", |it| it.restart()),
    ];
    for (what, change) in changes {
        let mut it = generated();
        let value = it.accepted("alice")[0].to_owned();
        it.cluster.put_secret(&copy(), |it| it.held = true);
        it.cluster.delete_secret(&copy());
        it.settle();
        change(&mut it);
        it.settle();
        oracle::check(&it);
        assert_eq!(it.says("alice"), WORKING, "{what}");
        assert_eq!(it.accepted("alice"), [&*value], "{what}");
        let enforced = it.enforced("alice")[0].1.clone();
        match what {
            "labels" => assert_eq!(enforced.labels["api"], "another"),
            "tier" => assert_eq!(enforced.annotations[annotation::PLAN], "silver"),
            _ => {}
        }
        it.wrote();
        it.pass(minutes(10));
        assert_eq!(it.wrote(), Vec::<&str>::new(), "{what}");
        it.cluster.delete_held(&copy());
        it.settle();
        oracle::check(&it);
        assert_eq!(it.accepted("alice"), [&*value], "{what}");
        assert!(it.cluster.secrets.contains_key(&copy()), "{what}");
    }
}

const HELD: &str = "!Enforced/SecretHeld";

#[test]
fn a_value_that_was_taken_away_does_not_come_back_from_a_copy_that_is_held() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    it.create(approval("yes", "alice", true, at(0)));
    it.settle();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.put_secret(&copy(), |it| it.held = true);
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = false);
    it.settle();
    it.edit::<APIKeyApproval>(OWNER, "yes", |it| it.spec.approved = true);
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), ["Approved/Approved", HELD]);
    assert_eq!(it.accepted("alice"), [""; 0]);
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), [""; 0]);
    it.cluster.delete_held(&copy());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_ne!(it.accepted("alice"), [&*value]);
}

#[test]
fn a_key_whose_copy_is_taken_over_is_held_to_what_was_approved_since() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.put_secret(&copy(), |it| {
        it.owner_uid = None;
        it.annotations.remove(annotation::KEY);
    });
    it.settle();
    assert_eq!(it.says("alice")[1], "!Enforced/SecretConflict");
    let mut less = approval("less", "alice", true, at(60));
    less.spec.plan_tier = Some("silver".into());
    it.cluster.now = at(60);
    it.create(less);
    it.settle();
    assert_eq!(it.says("alice")[1], "!Enforced/SecretConflict");
    let secrets = it.enforced("alice");
    let [(_, secret)] = &secrets[..] else {
        panic!("one Secret: {secrets:?}");
    };
    assert_eq!(secret.annotations[annotation::PLAN], "silver");
    assert_eq!(secret.value.as_deref(), Some(&*value));
}

#[test]
fn a_rotation_that_waits_for_a_held_copy_says_so() {
    let mut it = generated();
    let value = it.accepted("alice")[0].to_owned();
    it.cluster.put_secret(&copy(), |it| it.held = true);
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.rotation = Some(Rotation {
            revision: 1,
            ..Rotation::default()
        });
    });
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", HELD]);
    // The consumer can read no other one.
    it.pass(minutes(180));
    assert!(
        it.accepted("alice").contains(&&*value),
        "the old one goes on"
    );
    let told = it.key("alice").status.as_ref().unwrap().credentials.clone();
    assert!(told.iter().all(|it| it.ends_at.is_none()), "{told:?}");
    it.cluster.delete_held(&copy());
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice"), WORKING);
    assert_eq!(it.accepted("alice").len(), 1, "and ends with that");
    assert!(!it.accepted("alice").contains(&&*value));
}

#[test]
fn a_key_that_is_held_while_it_is_deleted_says_that_it_ends() {
    let mut it = generated();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    });
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Ending"]);
    assert_eq!((it.accepted("alice").len(), listed(&it)), (0, 0));
    assert!(!it.cluster.secrets.contains_key(&copy()));
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

#[test]
fn a_key_that_is_held_and_whose_credential_may_not_be_deleted_says_that_it_is_open() {
    let mut it = generated();
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    });
    it.settle();
    it.cluster.refused.insert("Secret");
    it.delete::<APIKey>(CONSUMER, "alice");
    it.settle();
    let refused = ["Approved/Approved", "Enforced/RevocationRefused"];
    assert_eq!(it.says("alice"), refused);
    it.wrote();
    it.pass(minutes(10));
    let wrote = it.wrote();
    assert!(wrote.iter().all(|it| it.starts_with("delete")), "{wrote:?}");
    it.cluster.refused.clear();
    it.pass(minutes(10));
    assert_eq!(it.says("alice"), ["Approved/Approved", "!Enforced/Ending"]);
    assert_eq!(it.accepted("alice").len(), 0);
}

/// As `kubectl delete --cascade=foreground`: the collector takes what belongs to it first.
#[test]
fn of_a_key_that_is_deleted_in_the_foreground_nothing_is_made_anew() {
    let mut it = generated();
    assert_eq!(it.accepted("alice").len(), 1);
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.metadata.finalizers = Some(vec!["foregroundDeletion".into()]);
    });
    it.settle();
    it.wrote();
    it.delete::<APIKey>(CONSUMER, "alice");
    assert!(it.cluster.delete_secret(&copy()).is_some());
    it.settle();
    it.pass(minutes(10));
    let wrote = it.wrote();
    assert!(!wrote.contains(&"create Secret"), "{wrote:?}");
    assert_eq!(it.accepted("alice"), Vec::<&str>::new());
}

/// The same of the request of a key that stays: its decisions go with it, and it comes back.
#[test]
fn a_request_that_is_deleted_in_the_foreground_comes_back_without_its_decisions() {
    for is_automatic in [false, true] {
        comes_back_without_its_decisions(is_automatic);
    }
}

fn comes_back_without_its_decisions(is_automatic: bool) {
    let mut it = Simulation::ready(if is_automatic {
        product().automatic()
    } else {
        product()
    });
    it.create(key("alice"));
    if !is_automatic {
        it.create(approval("yes", "alice", true, at(0)));
    }
    it.settle();
    assert_eq!(it.accepted("alice").len(), 1);
    let decisions: Vec<_> = it.cluster.approvals.keys().cloned().collect();
    let request = request_id("alice");
    let (namespace, name) = (request.namespace.to_string(), request.name.to_string());
    it.edit::<APIKeyRequest>(&namespace, &name, |it| {
        it.metadata.finalizers = Some(vec!["foregroundDeletion".into()]);
    });
    it.delete::<APIKeyRequest>(&namespace, &name);
    it.settle();
    for (namespace, decision) in decisions {
        it.delete::<APIKeyApproval>(&namespace, &decision);
    }
    it.settle();
    it.edit::<APIKeyRequest>(&namespace, &name, |it| it.metadata.finalizers = None);
    it.delete::<APIKeyRequest>(&namespace, &name);
    it.settle();
    oracle::check(&it);
    if is_automatic {
        assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
        assert_eq!(it.accepted("alice").len(), 1);
    } else {
        assert_eq!(it.says("alice"), ["Pending/AwaitingApproval"]);
        assert_eq!(it.accepted("alice"), Vec::<&str>::new());
    }
    assert!(it.request("alice").is_some());
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
}
