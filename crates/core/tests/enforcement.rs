//! What a key and its product say of a gateway that does not do what was approved.

use devportal_api::foreign::{
    AuthPolicy, AuthenticationSpec, Cache, HTTPRoute, PlanPolicy, PlanSpec, PolicyStatus,
    RouteRule, Unread,
};
use devportal_api::scheme::{Credentials, Limits, Prefixed};
use devportal_api::{APIKey, APIProduct, name};
use kube::Resource;

use crate::common::*;

/// Something that is edited, and what it is edited to.
type Edit<'a> = &'a dyn Fn(&mut Simulation, bool);

/// A key that was approved automatically, and works.
fn working() -> Simulation {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.settle();
    assert_eq!(enforced(&it), "Enforced/Enforced");
    assert_eq!(alarms(&it), [""; 0]);
    it.wrote();
    it
}

/// What the key says of the gateway.
fn enforced(it: &Simulation) -> String {
    it.says("alice")[1].clone()
}

/// What the product says beyond what every product does.
fn alarms(it: &Simulation) -> Vec<String> {
    let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
    let conditions = product.status.iter().flat_map(|it| &it.conditions);
    let alarms = conditions.filter(|it| {
        let is_usual = ["Ready", "PlanPolicyDiscovered", "AuthPolicyDiscovered"];
        !(is_usual.contains(&it.type_.as_str()) && it.status == "True")
            && it.type_ != "OIDCDiscovered"
    });
    alarms
        .map(|it| format!("{}/{}", it.type_, it.reason))
        .collect()
}

fn edit_rules(it: &mut Simulation, rules: &[(&str, AuthenticationSpec)]) {
    let rules = rules.iter();
    let rules = rules.map(|(name, rule)| ((*name).to_owned(), rule.clone()));
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules.as_mut().unwrap().authentication = rules.collect();
    });
    it.settle();
}

fn keys() -> AuthenticationSpec {
    api_key(&[("api", "games")])
}

fn anonymous(priority: i64) -> AuthenticationSpec {
    AuthenticationSpec {
        anonymous: Some(Unread),
        priority,
        ..AuthenticationSpec::default()
    }
}

fn conditional(rule: AuthenticationSpec) -> AuthenticationSpec {
    AuthenticationSpec {
        when: vec![Unread],
        ..rule
    }
}

#[test]
fn keys_are_made_for_a_rule_that_is_always_tried_before_one_that_is_not() {
    let partners = AuthenticationSpec {
        credentials: Some(Credentials {
            authorization_header: Some(Prefixed {
                prefix: "PARTNER".into(),
            }),
            ..Credentials::default()
        }),
        ..conditional(api_key(&[("api", "partners")]))
    };
    let mut it = Simulation::ready(product().automatic());
    edit_rules(
        &mut it,
        &[("a-partners", partners.clone()), ("public", keys())],
    );
    it.create(key("alice"));
    it.settle();
    let (_, secret) = it.enforced("alice")[0];
    assert_eq!(secret.labels.get("api").unwrap(), "games");
    assert_eq!(enforced(&it), "Enforced/Enforced");
    assert_eq!(alarms(&it), [""; 0]);
    // Where there is no other the product tells that some requests are refused.
    edit_rules(&mut it, &[("a-partners", partners)]);
    assert_eq!(alarms(&it), ["AcceptedEverywhere/RuleConditional"]);
}

#[test]
fn a_rule_that_lets_everybody_in_under_conditions_proves_nothing_of_other_paths() {
    let mut it = working();
    it.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.spec.rules = vec![RouteRule::default(), RouteRule::default()];
    });
    let others = auth("games").on_section("rule-2");
    let tokens = ("tokens", jwt("https://issuer"));
    let inside = ("inside", conditional(anonymous(0)));
    it.create(named(others.with(rules([tokens, inside])), "others"));
    it.settle();
    assert_eq!(enforced(&it), "!Enforced/AuthPoliciesDiffer");
}

#[test]
fn a_policy_without_an_authentication_rule_is_told_to_let_everybody_in() {
    let mut it = working();
    it.edit::<HTTPRoute>(OWNER, "games", |it| {
        it.spec.rules = vec![RouteRule::default(), RouteRule::default()];
    });
    let mut only_authorization = named(auth("games").on_section("rule-2"), "more");
    let rules = only_authorization.spec.rules.as_mut().unwrap();
    rules.authentication.clear();
    rules.authorization = Some(Unread);
    it.create(only_authorization);
    it.settle();
    assert_eq!(alarms(&it), ["PartlyOpen/NoAuthenticationRule"]);
}

#[test]
fn a_policy_that_asks_for_keys_under_conditions_is_told_to_be_open_beside_them() {
    let mut it = working();
    it.edit::<AuthPolicy>(OWNER, "games", |it| it.spec.when = vec![Unread]);
    it.settle();
    assert_eq!(alarms(&it), ["PartlyOpen/PolicyConditional"]);
    assert_eq!(enforced(&it), "Enforced/Enforced");
}

#[test]
fn an_anonymous_rule_that_is_not_tried_after_the_keys_takes_their_plan_away() {
    let mut it = working();
    for (priority, says) in [(0, "!Enforced/AnonymousFirst"), (1, "Enforced/Enforced")] {
        edit_rules(
            &mut it,
            &[("keys", keys()), ("public", anonymous(priority))],
        );
        assert_eq!(enforced(&it), says);
    }
    // One that is tried for some requests only is no fault.
    edit_rules(
        &mut it,
        &[("keys", keys()), ("public", conditional(anonymous(0)))],
    );
    assert_eq!(enforced(&it), "Enforced/Enforced");
}

#[test]
fn a_rule_that_remembers_whom_it_let_in_is_told_with_how_long() {
    let mut it = working();
    let cached = AuthenticationSpec {
        cache: Some(Cache { ttl: 600 }),
        ..keys()
    };
    edit_rules(&mut it, &[("keys", cached)]);
    assert_eq!(alarms(&it), ["AccessCached/RuleCaches"]);
    let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
    let conditions = &product.status.as_ref().unwrap().conditions;
    let told = conditions.iter().find(|it| it.type_ == "AccessCached");
    assert!(told.unwrap().message.contains("600 s"), "{told:?}");
}

#[test]
fn what_the_operator_has_not_looked_at_is_told_of_the_product_at_once_and_of_keys_in_a_minute() {
    fn behind(is: bool, conditions: &[(&str, bool)]) -> PolicyStatus {
        PolicyStatus {
            conditions: conditions
                .iter()
                .map(|(it, holds)| condition(it, *holds))
                .collect(),
            observed_generation: Some(if is { 1 } else { 9 }),
        }
    }
    let holds = [("Accepted", true), ("Enforced", true)];
    let auth = |it: &mut Simulation, is| {
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            it.meta_mut().generation = Some(9);
            it.status = Some(behind(is, &holds));
        });
        it.settle();
    };
    let plans = |it: &mut Simulation, is| {
        it.edit::<PlanPolicy>(OWNER, "games", |it| {
            it.meta_mut().generation = Some(9);
            it.status = Some(behind(is, &holds));
        });
        it.settle();
    };
    let each: [(Edit<'_>, &str); 2] = [
        (&auth, "!Enforced/AuthPolicyNotEnforced"),
        (&plans, "!Enforced/PlansNotEnforced"),
    ];
    for (edit, says) in each {
        let mut it = working();
        edit(&mut it, true);
        assert_eq!(alarms(&it), ["PoliciesObserved/OperatorBehind"]);
        assert_eq!(it.wrote(), ["product status"], "no key is written");
        edit(&mut it, false);
        assert_eq!(it.wrote(), ["product status"]);
        edit(&mut it, true);
        it.pass(minutes(2));
        assert_eq!(enforced(&it), says);
        assert_eq!(it.enforced("alice").len(), 1);
        edit(&mut it, false);
        assert_eq!(enforced(&it), "Enforced/Enforced");
    }
}

#[test]
fn a_key_to_a_route_that_no_gateway_takes_says_so_in_a_minute_and_keeps_its_secret() {
    let mut it = working();
    it.edit::<HTTPRoute>(OWNER, "games", |it| it.status = None);
    it.settle();
    assert_eq!(it.wrote(), ["product status"]);
    it.pass(minutes(2));
    assert_eq!(enforced(&it), "!Enforced/HTTPRouteNotAccepted");
    assert_eq!(it.enforced("alice").len(), 1);
}

#[test]
fn another_plan_policy_of_any_part_of_the_target_may_tell_the_tier() {
    let mut it = working();
    // The same tiers by the same predicates: whichever is taken.
    let mut part = named(plans("games"), "part");
    part.spec.target_ref.section_name = Some("rule-9".into());
    it.create(part);
    it.settle();
    assert_eq!(enforced(&it), "Enforced/Enforced");
    it.edit::<PlanPolicy>(OWNER, "part", |it| it.spec.plans = vec![plan("basic", 1)]);
    it.settle();
    assert_eq!(alarms(&it), ["PlansInForce/TiersDiffer"]);
    assert_eq!(enforced(&it), "!Enforced/PlansDiffer");
    it.delete::<PlanPolicy>(OWNER, "part");
    it.settle();
    assert_eq!(enforced(&it), "Enforced/Enforced");
}

#[test]
fn plan_policies_of_two_gateways_tell_the_tiers_of_their_own_requests() {
    let on = |gateway: &str| {
        let mut policy = named(plans("games"), gateway);
        policy.spec.target_ref = target("Gateway", gateway);
        policy.spec.plans = vec![plan("gold", 5), plan(gateway, 1)];
        policy
    };
    let mut it = working();
    it.delete::<PlanPolicy>(OWNER, "games");
    it.create(on("gateway"));
    it.edit::<HTTPRoute>(OWNER, "games", |it| {
        let mut second = it.spec.parent_refs[0].clone();
        second.name = "second".into();
        let status = it.status.as_mut().unwrap();
        let mut accepted = status.parents[0].clone();
        accepted.parent_ref = second.clone();
        status.parents.push(accepted);
        it.spec.parent_refs.push(second);
    });
    it.create(on("second"));
    it.settle();
    assert_eq!(alarms(&it), ["PlansInForce/PlansDiffer"]);
}

#[test]
fn the_predicate_of_a_plan_is_to_compare_the_tier_of_its_keys() {
    let mut it = working();
    let by = |it: &mut Simulation, predicate: &str| {
        it.edit::<PlanPolicy>(OWNER, "games", |it| {
            it.spec.plans[0].predicate = predicate.into();
        });
        it.settle();
    };
    let plan_id = format!(
        "auth.identity.metadata.annotations['{}']",
        name::annotation::PLAN
    );
    // Its tier was renamed, or it is for whoever has another one.
    for other in ["== 'premium'", "== \"premium\" && true"] {
        by(&mut it, &format!("{plan_id} {other}"));
        assert_eq!(alarms(&it), ["PlansInForce/PredicateOfAnotherTier"]);
        assert_eq!(enforced(&it), "!Enforced/PredicateOfAnotherTier");
    }
    // Of several clauses any may hold.
    for both in [
        format!("!({plan_id} == 'silver')"),
        format!("{plan_id} == 'premium' || {plan_id} in ['gold']"),
    ] {
        by(&mut it, &both);
        assert_eq!(enforced(&it), "Enforced/Enforced", "{both}");
    }
    // What is not understood is no key's fault.
    let groups = "auth.identity.metadata.annotations['kuadrant.io/groups'] == 'gold'";
    let unclear = [
        groups.to_owned(),
        format!("has({plan_id})"),
        format!("{plan_id} != 'silver'"),
    ];
    for predicate in unclear {
        by(&mut it, &predicate);
        assert_eq!(
            alarms(&it),
            ["PlansInForce/PredicateUnclear"],
            "{predicate}"
        );
        assert_eq!(enforced(&it), "Enforced/Enforced");
    }
    let right = [
        format!("has(auth.identity.metadata) && {plan_id} == 'gold'"),
        format!("{plan_id} == 'premium' || {plan_id}==\"gold\""),
        format!("{plan_id} in ['gold', 'premium']"),
    ];
    for predicate in right {
        by(&mut it, &predicate);
        assert_eq!(alarms(&it), [""; 0], "{predicate}");
    }
}

/// Of the plans whose predicates hold the first counts.
#[test]
fn a_plan_that_takes_the_requests_of_another_tier_comes_behind_its_plan() {
    let of = |tier: &str, predicate: &str| PlanSpec {
        predicate: predicate.into(),
        ..plan(tier, 10)
    };
    let copied = plan("gold", 10).predicate;
    let also = format!("{copied} && request.method == 'GET'");
    let (gold, free, silver) = (
        plan("gold", 1000),
        of("free", "true"),
        of("silver", &copied),
    );
    let (taken, fine) = ("!Enforced/TierTaken", "Enforced/Enforced");
    for (plans, expected, alarm) in [
        ([&free, &gold], taken, true),
        ([&gold, &free], fine, false),
        ([&silver, &gold], taken, true),
        ([&gold, &silver], fine, false),
        ([&of("silver", &also), &gold], fine, false),
        ([&of("gold", "true"), &free], fine, true),
    ] {
        let mut it = working();
        let plans = plans.map(PlanSpec::clone);
        let text = format!("{plans:?}");
        it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans = plans.into());
        it.settle();
        oracle::check(&it);
        assert_eq!(enforced(&it), expected, "{text}");
        let told = alarms(&it).contains(&"PlansInForce/TierTaken".into());
        assert_eq!(told, alarm, "{text}");
    }
    // Whoever is of no tier is limited by the first plan that takes all, or theirs.
    let other = plan("silver", 10);
    let premium = of("premium", &copied);
    let some = of("premium", &also);
    let endless = plan_of("free", Limits::default());
    let (by_free, by_premium) = (
        "the limits of tier \"free\" apply",
        "the limits of tier \"premium\" apply",
    );
    let (unknown, none) = (
        "the limits of another tier may apply",
        "requests are not limited",
    );
    for (plans, words) in [
        (vec![&other, &free], by_free),
        (vec![&other], none),
        (vec![&other, &premium, &free], by_premium),
        (vec![&some, &free], unknown),
        (vec![&other, &of("vip", "is_vip(auth)")], unknown),
        // Of two plans of a tier the last holds.
        (vec![&free, &endless], none),
        (vec![&endless, &free], by_free),
    ] {
        let mut it = working();
        let plans: Vec<_> = plans.into_iter().cloned().collect();
        let text = format!("{plans:?}");
        it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans = plans);
        it.settle();
        let status = it.key("alice").status.clone().unwrap();
        let mut conditions = status.conditions.iter();
        let told = conditions.find(|it| it.type_ == "Enforced").unwrap();
        assert_eq!(told.reason, "UnknownTier");
        assert!(told.message.ends_with(words), "{text}: {}", told.message);
    }
}

#[test]
fn an_approval_with_an_empty_tier_grants_what_was_asked_for() {
    let mut it = Simulation::ready(product());
    it.create(key("alice"));
    let mut approval = approval("yes", "alice", true, at(0));
    approval.spec.plan_tier = Some(String::new());
    it.create(approval);
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
    let (_, secret) = it.enforced("alice")[0];
    assert_eq!(secret.annotations[name::annotation::PLAN], "gold");
    // It is all of it: a product that becomes automatic may renew it.
    it.edit::<APIProduct>(OWNER, "games", |it| *it = it.clone().automatic());
    it.edit::<APIKey>(CONSUMER, "alice", |it| {
        it.spec.plan_tier = "silver".into();
    });
    it.settle();
    assert_eq!(it.says("alice"), ["Approved/Approved", "Enforced/Enforced"]);
}
