//! Whose keys open whose API, where selectors overlap across namespaces.

use devportal_api::APIProduct;
use devportal_api::foreign::{AuthPolicy, AuthRules, HTTPRoute};
use devportal_api::name::label;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelectorRequirement;
use kube::Resource;

use crate::common::cluster::{STRAY, Secret};
use crate::common::hands::pair;
use crate::common::*;

const ELSEWHERE: &str = "elsewhere";

/// Two products in different namespaces, each with a selector of its own.
fn two(here: &[(&str, &str)], there: &[(&str, &str)]) -> Simulation {
    let policy = |labels| auth("games").with(rules([("keys", api_key(labels))]));
    let mut it = Simulation::default()
        .with(kuadrant())
        .with(route("games"))
        .with(policy(here))
        .with(product())
        .with(moved(route("games")))
        .with(moved(policy(there)))
        .with(moved(product()));
    it.settle();
    oracle::check(&it);
    it
}

fn moved<K: Resource>(mut object: K) -> K {
    object.meta_mut().namespace = Some(ELSEWHERE.into());
    object
}

/// What the product of a namespace says of sharing.
fn says(it: &Simulation, namespace: &str) -> Option<String> {
    let product = &it.cluster.products[&(namespace.to_owned(), "games".to_owned())];
    let mut conditions = product.status.clone()?.conditions.into_iter();
    let shared = conditions.find(|it| it.type_ == "SelectorShared")?;
    assert_eq!(shared.status, "True");
    let others = if namespace == OWNER { ELSEWHERE } else { OWNER };
    let is_across = shared.message.contains(&format!("{others}/"));
    let reason = if is_across {
        "AcrossNamespaces"
    } else {
        "WithinNamespace"
    };
    assert_eq!(shared.reason, reason);
    Some(shared.message)
}

const ADVICE: &str = "Let the AuthPolicies select by devportal.kuadrant.io/apiproduct and \
                      devportal.kuadrant.io/apiproduct-namespace";

#[test]
fn a_copied_selector_is_told_to_both_owners() {
    let it = two(&[("api", "games")], &[("api", "games")]);
    let of = |other: &str| {
        let other = format!("{other}/games");
        format!("Keys for {other} open this API too. Keys for this API open {other} too. {ADVICE}")
    };
    assert_eq!(says(&it, OWNER), Some(of(ELSEWHERE)));
    assert_eq!(says(&it, ELSEWHERE), Some(of(OWNER)));
}

#[test]
fn a_selector_that_asks_for_more_than_another_opens_it_and_not_the_other_way_round() {
    let it = two(&[("api", "games")], &[("api", "games"), ("also", "x")]);
    assert_eq!(
        says(&it, OWNER),
        Some(format!(
            "Keys for elsewhere/games open this API too. {ADVICE}"
        ))
    );
    assert_eq!(
        says(&it, ELSEWHERE),
        Some(format!("Keys for this API open owner/games too. {ADVICE}"))
    );
}

#[test]
fn a_selector_by_the_name_of_a_product_takes_its_namesakes_keys() {
    let it = two(&[(label::PRODUCT, "games")], &[("own", "label")]);
    assert_eq!(
        says(&it, OWNER),
        Some(format!(
            "Keys for elsewhere/games open this API too. {ADVICE}"
        ))
    );
}

#[test]
fn a_selector_that_takes_every_key_is_told_too() {
    let it = two(&[(label::MANAGED_BY, "authorino")], &[("own", "label")]);
    assert!(says(&it, OWNER).is_some() && says(&it, ELSEWHERE).is_some());
    let it = two(&[], &[("own", "label")]);
    assert!(says(&it, OWNER).is_some() && says(&it, ELSEWHERE).is_some());
}

#[test]
fn a_selector_by_whose_a_key_is_takes_those_of_other_products_too() {
    for by_key in [(label::KEY_NAMESPACE, CONSUMER), (label::KEY, "alice")] {
        let it = two(&[by_key], &[("own", "label")]);
        let told = says(&it, OWNER).unwrap();
        assert!(told.starts_with("Keys for elsewhere/games open this API too. "));
        assert!(says(&it, ELSEWHERE).is_some());
    }
    let it = two(
        &[(label::KEY_NAMESPACE, "team-a")],
        &[(label::KEY_NAMESPACE, "team-b")],
    );
    assert_eq!(says(&it, OWNER), None, "each takes its own team's");
    // Keys of either team open the first, and those of one of them the second.
    for (operator, values) in [("Exists", vec![]), ("In", vec!["team-a", "team-b"])] {
        let mut it = two(&[("api", "games")], &[(label::KEY_NAMESPACE, "team-b")]);
        let expression = LabelSelectorRequirement {
            key: label::KEY_NAMESPACE.into(),
            operator: operator.into(),
            values: Some(values.into_iter().map(str::to_owned).collect()),
        };
        let mut rule = api_key(&[]);
        let selector = rule.api_key.as_mut().unwrap().selector.as_mut().unwrap();
        selector.match_expressions = Some(vec![expression]);
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            it.spec.rules = Some(rules([("keys", rule)]));
        });
        it.settle();
        let told = says(&it, OWNER).unwrap();
        assert!(
            told.contains("Keys for this API open elsewhere/games too."),
            "{told}"
        );
    }
}

#[test]
fn a_selector_by_product_and_namespace_cannot_be_borrowed() {
    let own = [(label::PRODUCT, "games"), (label::PRODUCT_NAMESPACE, OWNER)];
    let it = two(&own, &own);
    assert_eq!(
        says(&it, OWNER),
        Some(format!(
            "Keys for this API open elsewhere/games too. {ADVICE}"
        )),
        "who borrows it lets others in, and gets in nowhere"
    );
}

#[test]
fn two_products_on_one_route_are_one_door_and_both_say_so() {
    let mut it = Simulation::ready(product());
    let mut other = product_named("maps").automatic();
    other.spec.target_ref.name = "games".into();
    it.create(other);
    it.settle();
    oracle::check(&it);
    let says = |it: &Simulation, name: &str| {
        let product = &it.cluster.products[&(OWNER.to_owned(), name.to_owned())];
        let conditions = product.status.clone().unwrap().conditions;
        let shared = conditions
            .into_iter()
            .find(|it| it.type_ == "SelectorShared");
        shared.map(|it| (it.reason, it.message))
    };
    for (name, other) in [("games", "maps"), ("maps", "games")] {
        let (reason, message) = says(&it, name).expect("a word");
        assert_eq!(reason, "WithinNamespace");
        assert!(message.contains(&format!("Keys for owner/{other} open this API too")));
    }
    it.wrote();
    it.pass(minutes(10));
    assert_eq!(it.wrote(), Vec::<&str>::new());
}

#[test]
fn that_secrets_of_every_namespace_are_keys_is_told() {
    let mut it = Simulation::ready(product());
    let says = |it: &Simulation| {
        let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
        let conditions = product.status.clone().unwrap().conditions;
        conditions
            .into_iter()
            .any(|it| it.type_ == "SelectorOpen" && it.status == "True")
    };
    assert!(!says(&it));
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        let mut rule = api_key(&[("api", "games")]);
        rule.api_key.as_mut().unwrap().all_namespaces = true;
        it.spec.rules = Some(rules([("keys", rule)]));
    });
    it.settle();
    assert!(says(&it));
}

/// The rules of a policy: the one that is used, and one beside it.
fn beside(labels: &[(&str, &str)], all_namespaces: bool) -> AuthRules {
    let mut rule = api_key(labels);
    rule.priority = 1;
    rule.api_key.as_mut().unwrap().all_namespaces = all_namespaces;
    rules([("keys", api_key(&[("api", "games")])), ("staff", rule)])
}

#[test]
fn that_a_rule_beside_the_used_one_takes_secrets_of_every_namespace_is_told() {
    let mut it = Simulation::ready(product());
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(beside(&[("staff", "true")], true));
    });
    it.settle();
    oracle::check(&it);
    let conditions = |it: &Simulation| {
        let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
        product.status.clone().unwrap().conditions
    };
    let mut told = conditions(&it).into_iter();
    let told = told.find(|it| it.type_ == "SelectorOpen").expect("a word");
    assert_eq!((&*told.status, &*told.reason), ("True", "AllNamespaces"));
    assert!(told.message.contains("rule staff"), "{}", told.message);
    let advice = "Set allNamespaces to false";
    assert!(told.message.contains(advice), "{}", told.message);
    // Also where the rule that the product names is not there.
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.auth_rule = Some("none".into()));
    it.settle();
    let messages = conditions(&it).into_iter().map(|it| it.message);
    assert!(messages.into_iter().any(|it| it == told.message));
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(beside(&[("staff", "true")], false));
    });
    it.settle();
    let mut told = conditions(&it).into_iter();
    assert!(told.all(|it| it.type_ != "SelectorOpen"));
}

#[test]
fn that_a_rule_beside_the_used_one_takes_keys_of_another_product_is_told_to_both_owners() {
    let mut it = two(&[("api", "games")], &[("api", "elsewhere")]);
    assert_eq!((says(&it, OWNER), says(&it, ELSEWHERE)), (None, None));
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(beside(&[("api", "elsewhere")], false));
    });
    it.settle();
    oracle::check(&it);
    assert_eq!(
        says(&it, OWNER),
        Some(format!(
            "Keys for elsewhere/games open this API too. {ADVICE}"
        ))
    );
    assert_eq!(
        says(&it, ELSEWHERE),
        Some(format!("Keys for this API open owner/games too. {ADVICE}"))
    );
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(beside(&[("api", "staff")], false));
    });
    it.settle();
    oracle::check(&it);
    assert_eq!((says(&it, OWNER), says(&it, ELSEWHERE)), (None, None));
}

#[test]
fn a_key_that_a_rule_beside_the_used_one_takes_has_no_value_in_common_with_one_of_the_api() {
    let mut it = two(&[("api", "games")], &[("api", "elsewhere")]);
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(beside(&[("api", "elsewhere")], false));
    });
    ask_for_both(&mut it);
    oracle::check(&it);
    assert_eq!(
        it.says("bob"),
        ["Approved/Approved", "!Enforced/ValueInUse"]
    );
}

#[test]
fn a_value_stays_with_its_key_while_what_that_rests_on_is_replaced() {
    type Step = fn(&mut Simulation);
    let replaced: [(&str, Step, Step); 2] = [
        (
            "its policy",
            |it| it.delete::<AuthPolicy>(OWNER, "games"),
            |it| it.create(auth("games").with(rules([("keys", api_key(&[("api", "games")]))]))),
        ),
        (
            "its product",
            |it| it.delete::<APIProduct>(OWNER, "games"),
            |it| it.create(product().automatic()),
        ),
    ];
    for (what, delete, create) in replaced {
        let mut it = two(&[("api", "games")], &[("api", "games")]);
        ask_for_both(&mut it);
        delete(&mut it);
        it.settle();
        it.pass(minutes(1));
        assert_eq!(it.accepted("bob"), [""; 0], "{what}");
        create(&mut it);
        it.settle();
        assert_eq!(it.accepted("alice"), ["one value"], "{what}");
        assert_eq!(it.accepted("bob"), [""; 0], "{what}");
        oracle::check(&it);

        // Once it has nothing and does not come back for it, the other has the value.
        delete(&mut it);
        it.settle();
        for _ in 0..3 {
            it.pass(minutes(4));
        }
        assert_eq!(it.accepted("alice"), [""; 0], "{what}");
        assert_eq!(it.accepted("bob"), ["one value"], "{what}");
    }
}

#[test]
fn a_value_is_in_use_as_long_as_a_secret_that_opens_the_api_has_it() {
    type Change = fn(&mut Simulation);
    let changes: [(&str, Change); 2] = [
        ("its product asks for what no key can carry", |it| {
            it.edit::<AuthPolicy>(OWNER, "games", |it| {
                let never = api_key(&[(label::PRODUCT, "misspelt")]);
                it.spec.rules = Some(rules([("keys", never)]));
            });
        }),
        ("the policy of its product is not accepted", |it| {
            it.edit::<AuthPolicy>(OWNER, "games", |it| it.status = None);
        }),
    ];
    for (what, change) in changes {
        let mut it = two(&[("api", "games")], &[("api", "games")]);
        ask_for_both(&mut it);
        change(&mut it);
        it.settle();
        it.restart();
        it.settle();
        assert_eq!(it.accepted("alice"), ["one value"], "{what}");
        assert_eq!(it.accepted("bob"), [""; 0], "{what}");
    }
}

/// Keys of both products with one value, of which the first works.
fn ask_for_both(it: &mut Simulation) {
    for namespace in [OWNER, ELSEWHERE] {
        it.edit::<APIProduct>(namespace, "games", |it| *it = it.clone().automatic());
    }
    for (name, product) in [("alice", OWNER), ("bob", ELSEWHERE)] {
        it.bring(name, Some("one value"));
        let mut key = key(name).brought(name);
        key.spec.api_product_ref.namespace = Some(product.into());
        it.create(key);
        it.settle();
    }
    assert_eq!(it.accepted("alice"), ["one value"]);
    assert_eq!(it.accepted("bob"), [""; 0]);
}

#[test]
fn products_of_one_namespace_that_share_their_keys_say_so() {
    let mut it = two(&[("api", "games")], &[("api", "maps")]);
    it.create(route("maps"));
    it.create(auth("maps").with(rules([("keys", api_key(&[("api", "games")]))])));
    it.create(product_named("maps"));
    it.settle();
    oracle::check(&it);
    for (name, other) in [("games", "maps"), ("maps", "games")] {
        let product = &it.cluster.products[&(OWNER.to_owned(), name.to_owned())];
        let mut conditions = product.status.as_ref().unwrap().conditions.iter();
        let told = conditions.find(|it| it.type_ == "SelectorShared").unwrap();
        assert_eq!(told.reason, "WithinNamespace");
        let opened = format!("Keys for owner/{other} open this API too");
        let open = format!("Keys for this API open owner/{other} too");
        assert!(told.message.contains(&opened), "{name}: {}", told.message);
        assert!(told.message.contains(&open), "{name}: {}", told.message);
        let advice = "unless each has a route and a selector of its own";
        assert!(told.message.ends_with(advice), "{name}: {}", told.message);
    }
}

#[test]
fn the_alarm_ends_for_both_when_either_gives_way() {
    let gives: [fn(&mut Simulation); 3] = [
        |it| it.delete::<APIProduct>(ELSEWHERE, "games"),
        |it| it.delete::<HTTPRoute>(ELSEWHERE, "games"),
        |it| {
            it.edit::<AuthPolicy>(ELSEWHERE, "games", |it| {
                it.spec.rules = Some(rules([("keys", api_key(&[("api", "other")]))]));
            });
        },
    ];
    for give in gives {
        let mut it = two(&[("api", "games")], &[("api", "games")]);
        assert!(says(&it, OWNER).is_some());
        give(&mut it);
        it.settle();
        oracle::check(&it);
        assert_eq!(says(&it, OWNER), None);
    }
}

/// A Secret as it is made by hand for a rule that selects `api=games`.
fn by_hand(secret: &mut Secret) {
    // Authorino lists what a rule selects, with its own label or without.
    secret.labels = [("api".to_owned(), "games".to_owned())].into();
    secret.value = Some("of old".into());
}

/// What a product says of keys that are none of ours.
fn unmanaged(it: &Simulation, namespace: &str) -> Option<String> {
    let product = &it.cluster.products[&(namespace.to_owned(), "games".to_owned())];
    let conditions = &product.status.as_ref().unwrap().conditions;
    let told = conditions.iter().find(|it| it.type_ == "UnmanagedKeys")?;
    assert_eq!(
        (&*told.status, &*told.reason),
        ("True", "SecretsWithoutAPIKey")
    );
    Some(told.message.clone())
}

#[test]
fn secrets_that_open_an_api_and_that_no_key_stands_for_are_told_to_its_owner() {
    let mut it = two(&[("api", "games")], &[("api", "other")]);
    assert_eq!(unmanaged(&it, OWNER), None);
    it.cluster.put_secret(&pair(KUADRANT, "of-old"), by_hand);
    it.settle();
    oracle::check(&it);
    let told = unmanaged(&it, OWNER).expect("a word");
    assert!(
        told.starts_with("1 Secret in kuadrant-system, none of them a credential"),
        "{told}"
    );
    assert_eq!(unmanaged(&it, ELSEWHERE), None);
    it.cluster.put_secret(&pair(KUADRANT, "another"), by_hand);
    it.cluster
        .put_secret(&pair(KUADRANT, "of-something-else"), |it| {
            by_hand(it);
            it.labels.insert("api".into(), "maps".into());
        });
    it.settle();
    assert!(unmanaged(&it, OWNER).unwrap().starts_with("2 Secrets"));
    // Authorino reads it until it is gone, and asks for no label of ours.
    for change in [
        |it: &mut Secret| it.deleting = true,
        |it: &mut Secret| drop(it.labels.insert(label::ENFORCEMENT.into(), "true".into())),
        |it: &mut Secret| drop(it.labels.remove(label::ENFORCEMENT)),
    ] {
        it.cluster.put_secret(&pair(KUADRANT, "another"), change);
        it.settle();
        assert!(unmanaged(&it, OWNER).unwrap().starts_with("2 Secrets"));
    }
    // What is not seen is as it was told.
    for unseen in [STRAY, "AuthPolicy", "HTTPRoute"] {
        it.restart_without(&[unseen]);
        it.settle();
        assert!(unmanaged(&it, OWNER).is_some(), "without {unseen}");
        it.regain_all();
        it.settle();
    }
    it.restart_without(&[STRAY]);
    it.settle();
    for name in ["of-old", "another"] {
        it.cluster.delete_secret(&pair(KUADRANT, name));
    }
    it.regain_all();
    it.settle();
    oracle::check(&it);
    assert_eq!(unmanaged(&it, OWNER), None);
}
