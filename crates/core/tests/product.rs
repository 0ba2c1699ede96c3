//! What a product's status says.

use std::sync::Arc;

use devportal_api::condition::OpenApiState;
use devportal_api::foreign::{AuthPolicy, HTTPRoute, PlanPolicy, PolicyStatus};
use devportal_api::id::ProductId;
use devportal_api::product::{Documentation, OpenApiStatus};
use devportal_api::scheme::{Limits, Rate};
use devportal_api::{APIProduct, APIProductStatus};
use devportal_core::change::{OidcAnswer, OpenApiAnswer};
use devportal_core::{Change, Write};
use devportal_mirror::{Digest, Trouble};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::common::*;

const URL: &str = "https://docs.example.com/games.yaml";
const ISSUER: &str = "https://issuer.example.com";

fn status(it: &Simulation) -> APIProductStatus {
    let product = &it.cluster.products[&(OWNER.to_owned(), "games".to_owned())];
    product.status.clone().expect("a status")
}

fn says(it: &Simulation) -> Vec<(String, String)> {
    let conditions = status(it).conditions.into_iter();
    conditions
        .map(|it| (format!("{}={}", it.type_, it.status), it.reason))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|(a, b)| ((*a).into(), (*b).into()))
        .collect()
}

fn documented() -> APIProduct {
    let mut product = product();
    product.spec.documentation = Some(Documentation {
        open_api_spec_url: Some(URL.into()),
        ..Documentation::default()
    });
    product
}

/// Tells the World what came of fetching the document, and settles.
fn answer(it: &mut Simulation, state: OpenApiState, text: Option<&str>, seconds: i64) {
    hear(it, state, text, seconds);
    it.settle();
}

fn hear(it: &mut Simulation, state: OpenApiState, text: Option<&str>, seconds: i64) {
    hear_under(CAP, it, state, text, seconds);
}

/// The size limit that there usually is.
const CAP: u64 = 512_000;

fn hear_under(
    cap: u64,
    it: &mut Simulation,
    state: OpenApiState,
    text: Option<&str>,
    seconds: i64,
) {
    let answer = OpenApiAnswer {
        state,
        digest: text.map(Digest::of),
        text: text.map(Arc::from),
        cap,
        synced_at: at(seconds),
    };
    it.dirty
        .extend(it.world.observe(Change::OpenApi(URL.into(), answer)));
}

#[test]
fn a_product_with_everything_around_it_says_so() {
    let it = Simulation::ready(product());
    let expected = [
        ("Ready=True", "HTTPRouteAccepted"),
        ("PlanPolicyDiscovered=True", "Found"),
        ("AuthPolicyDiscovered=True", "Found"),
        ("OIDCDiscovered=False", "NoOIDCAuth"),
    ];
    assert_eq!(says(&it), pairs(&expected));
    assert_eq!(
        status(&it).discovered_plans,
        shown(&[plan("gold", 1000), plan("silver", 100)])
    );
}

#[test]
fn a_product_with_nothing_around_it_says_so() {
    let mut it = Simulation::default().with(product());
    it.settle();
    let expected = [
        ("Ready=False", "HTTPRouteNotFound"),
        ("PlanPolicyDiscovered=False", "NotFound"),
        ("AuthPolicyDiscovered=False", "NotFound"),
        ("OIDCDiscovered=False", "NoOIDCAuth"),
    ];
    assert_eq!(says(&it), pairs(&expected));
}

#[test]
fn the_token_endpoint_of_the_issuer_is_told_and_survives_a_failed_refresh() {
    let mut it = Simulation::ready(product());
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("tokens", jwt(ISSUER))]));
    });
    it.settle();
    let endpoint = |it: &Simulation| status(it).oidc_discovery.map(|it| it.token_endpoint);
    let told = Some(format!("{ISSUER}/token"));
    assert_eq!(endpoint(&it), told);
    let failure = Change::Oidc(ISSUER.into(), OidcAnswer::Failed("timed out".into()));
    it.dirty.extend(it.world.observe(failure));
    it.settle();
    assert_eq!(endpoint(&it), told);
    let failed = ("OIDCDiscovered=False".into(), "DiscoveryFailed".into());
    assert_eq!(says(&it)[3], failed);

    // The issuer has none any more.
    let none = OidcAnswer::NoEndpoint("the document has no token_endpoint".into());
    it.dirty
        .extend(it.world.observe(Change::Oidc(ISSUER.into(), none)));
    it.settle();
    assert_eq!(endpoint(&it), None);
    assert_eq!(says(&it)[3], failed);
}

#[test]
fn a_document_is_shown_once_it_was_read_and_kept_when_a_refresh_fails() {
    let mut it = Simulation::ready(documented());
    answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
    let shown = OpenApiStatus {
        raw: Digest::of("one").to_string(),
        url: status(&it).openapi.and_then(|it| it.url),
        last_sync_time: Time(at(5)),
        max_size_used: Some(512_000),
    };
    assert_eq!(status(&it).openapi, Some(shown.clone()));
    answer(
        &mut it,
        OpenApiState::FetchFailed("no".into()),
        Some("one"),
        9,
    );
    assert_eq!(status(&it).openapi, Some(shown));
    assert_eq!(
        says(&it)[4],
        ("OpenAPISpecReady=False".into(), "FetchFailed".into())
    );
}

#[test]
fn a_document_that_the_api_server_refuses_holds_up_nothing_else_of_the_status() {
    let mut it = Simulation::ready(documented());
    answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
    let refuse = |it: &mut Simulation, text: &str| {
        let id = ProductId::new(OWNER, "games");
        let why = "etcdserver: request is too large".to_owned();
        let change = Change::Unshown(id, Digest::of(text).to_string(), why);
        it.dirty.extend(it.world.observe(change));
    };
    refuse(&mut it, "two");
    answer(&mut it, OpenApiState::Fetched, Some("two"), 9);
    let raw = |it: &Simulation| status(it).openapi.map(|it| it.raw);
    assert_eq!(raw(&it), Some(Digest::of("one").to_string()));
    let told = status(&it).conditions.pop().expect("a condition");
    assert_eq!((&*told.type_, &*told.status), ("OpenAPISpecReady", "False"));
    assert_eq!(told.reason, "SpecRefused");
    assert!(told.message.contains("etcdserver"), "{}", told.message);

    let accept = |it: &mut Simulation, holds| {
        it.edit::<PlanPolicy>(OWNER, "games", |it| {
            it.status = Some(PolicyStatus {
                conditions: vec![condition("Accepted", holds)],
                ..PolicyStatus::default()
            });
        });
        it.settle();
    };
    accept(&mut it, false);
    assert!(plans_in_force(&it).is_some());
    accept(&mut it, true);
    assert_eq!(raw(&it), Some(Digest::of("one").to_string()));
    it.wrote();
    answer(&mut it, OpenApiState::Fetched, Some("two"), 99);
    assert_eq!(it.wrote(), Vec::<&str>::new(), "it is not tried again");

    // Its owner does something about it: there is more room beside fewer plans.
    let two = Some(Digest::of("two").to_string());
    it.edit::<PlanPolicy>(OWNER, "games", |it| drop(it.spec.plans.pop()));
    it.settle();
    assert_eq!(status(&it).discovered_plans, shown(&[plan("gold", 1000)]));
    assert_eq!(raw(&it), two);

    // There is no room any more for what was there, nor for what is read then.
    hear(&mut it, OpenApiState::Fetched, Some("three"), 100);
    refuse(&mut it, "three");
    refuse(&mut it, "two");
    it.settle();
    assert_eq!(raw(&it), None);
    it.wrote();
    answer(&mut it, OpenApiState::Fetched, Some("three"), 101);
    assert_eq!(it.wrote(), Vec::<&str>::new(), "neither is tried again");
    let told = status(&it).conditions.pop().expect("a condition");
    assert_eq!(told.reason, "SpecRefused");
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.display_name = "Games!".into());
    it.settle();
    assert_eq!(raw(&it), Some(Digest::of("three").to_string()));
    refuse(&mut it, "three");
    answer(&mut it, OpenApiState::Fetched, Some("four"), 102);
    assert_eq!(raw(&it), Some(Digest::of("four").to_string()));
    assert!(says(&it).contains(&("OpenAPISpecReady=True".into(), "SpecFetched".into())));
}

#[test]
fn a_document_is_of_its_address_whatever_else_is_edited() {
    let mut it = Simulation::ready(documented());
    answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
    let before = status(&it).openapi.expect("a document");
    assert!(before.url.is_some());
    // The document's host is away after a restart.
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.display_name = "Games!".into());
    it.restart();
    answer(&mut it, OpenApiState::FetchFailed("no".into()), None, 9);
    assert_eq!(status(&it).openapi, Some(before));
    it.edit::<APIProduct>(OWNER, "games", |it| {
        let documentation = it.spec.documentation.get_or_insert_default();
        documentation.open_api_spec_url = Some("https://elsewhere.example.com/".into());
    });
    while it.deliver() {}
    // Of the other address there is no answer yet.
    let written = it.decisions().into_values().flat_map(|it| it.writes);
    let shown = written.filter_map(|it| match it {
        Write::ProductStatus(_, status) => Some(status.openapi),
        _ => None,
    });
    assert_eq!(shown.collect::<Vec<_>>(), [None]);
}

#[test]
fn a_document_that_grew_too_large_leaves_the_last_one_also_after_a_restart_but_not_a_lower_limit() {
    for (cap, stays) in [(CAP, true), (CAP + 1, true), (CAP - 1, false)] {
        let mut it = Simulation::ready(documented());
        answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
        let before = status(&it).openapi;
        it.restart();
        hear_under(cap, &mut it, OpenApiState::TooLarge(cap), None, 9);
        it.settle();
        let after = status(&it).openapi;
        assert_eq!(after, before.filter(|_| stays), "{cap}");
    }
}

#[test]
fn a_token_endpoint_is_of_its_issuer_and_of_none_that_begins_like_it() {
    let mut it = Simulation::ready(product());
    let trust = |it: &mut Simulation, issuer: &str| {
        let issuer = issuer.to_owned();
        it.edit::<AuthPolicy>(OWNER, "games", move |it| {
            it.spec.rules = Some(rules([("tokens", jwt(&issuer))]));
        });
    };
    trust(&mut it, &format!("{ISSUER}/longer"));
    it.settle();
    assert!(status(&it).oidc_discovery.is_some());
    trust(&mut it, ISSUER);
    while it.deliver() {}
    // Of the new one there is no answer yet.
    let written = it.decisions().into_values().flat_map(|it| it.writes);
    let told: Vec<_> = written
        .filter_map(|it| match it {
            Write::ProductStatus(_, status) => Some(status),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].oidc_discovery, None);
    assert!(
        !told[0]
            .conditions
            .iter()
            .any(|it| it.type_ == "OIDCDiscovered")
    );
    let failure = Change::Oidc(ISSUER.into(), OidcAnswer::Failed("timed out".into()));
    it.dirty.extend(it.world.observe(failure));
    it.settle();
    assert_eq!(status(&it).oidc_discovery, None);
}

#[test]
fn plans_that_may_not_hold_as_they_are_shown_are_told() {
    let mut twice = plans("games");
    twice.spec.plans.push(plan("gold", 7));
    let mut it = Simulation::ready(product());
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec = twice.spec.clone());
    it.settle();
    let (reason, message) = plans_in_force(&it).expect("a word");
    assert_eq!(reason, "DuplicateTier");
    assert!(message.contains("the last"), "{message}");
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.spec.plans.pop();
        it.status = Some(PolicyStatus {
            conditions: vec![condition("Accepted", false)],
            ..PolicyStatus::default()
        });
    });
    it.settle();
    assert_eq!(
        plans_in_force(&it).expect("a word").0,
        "PlanPolicyNotEnforced"
    );
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.status = None);
    it.settle();
    assert_eq!(plans_in_force(&it), None);
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.spec.plans[0].limits = Limits::default();
    });
    it.settle();
    let (reason, message) = plans_in_force(&it).expect("a word");
    assert_eq!(reason, "UnlimitedTier");
    assert!(message.contains("\"gold\""), "{message}");
    let unlimited = ("PlansInForce=True".into(), "UnlimitedTier".into());
    assert!(says(&it).contains(&unlimited), "it holds as it is shown");
}

#[test]
fn plans_are_told_as_they_are_and_keys_what_holds_of_theirs() {
    let limit = |daily| Limits {
        daily,
        ..Limits::default()
    };
    let burst = Limits {
        custom: vec![Rate {
            limit: 0,
            window: "1s".into(),
        }],
        ..Limits::default()
    };
    let six = [
        ("trial", limit(Some(0))),
        ("gold", limit(Some(100))),
        ("gold", limit(Some(7))),
        ("open", limit(None)),
        ("burst", burst.clone()),
        ("", limit(Some(5))),
    ];
    let six = six.map(|(tier, limits)| plan_of(tier, limits));
    let mut it = Simulation::ready(product().automatic());
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans = six.to_vec());
    // Of each tier what a key says of the gateway, and which limits it tells.
    let table = [
        ("trial", "Enforced/Enforced", Some(limit(Some(0)))),
        ("gold", "Enforced/DuplicateTier", Some(limit(Some(7)))),
        ("open", "Enforced/Unlimited", Some(limit(None))),
        ("burst", "Enforced/Enforced", Some(burst)),
        ("", "Enforced/Enforced", Some(limit(Some(5)))),
        ("Gold", "!Enforced/UnknownTier", None),
        ("none", "!Enforced/UnknownTier", None),
    ];
    for (at, (tier, ..)) in table.iter().enumerate() {
        it.create(key(&format!("key-{at}")).on_tier(tier));
    }
    it.settle();
    oracle::check(&it);
    assert_eq!(
        status(&it).discovered_plans,
        shown(&six),
        "all of them, in order"
    );
    let raw = serde_json::to_value(status(&it).discovered_plans).unwrap();
    assert_eq!(raw[0]["limits"]["daily"], 0, "nothing is left out");
    assert_eq!(raw[4]["limits"]["custom"][0]["limit"], 0);
    let (reason, message) = plans_in_force(&it).expect("a word");
    assert_eq!(reason, "DuplicateTier");
    assert!(message.contains("\"gold\""), "{message}");
    for (at, (tier, says, limits)) in table.into_iter().enumerate() {
        let name = format!("key-{at}");
        assert_eq!(it.says(&name), ["Approved/Approved", says], "{tier:?}");
        let told = it.key(&name).status.clone().unwrap().limits;
        assert_eq!(told, limits, "{tier:?}");
    }
}

#[test]
fn a_key_of_a_tier_that_is_there_twice_says_whether_anything_limits_it() {
    let mut it = Simulation::ready(product().automatic());
    it.create(key("alice"));
    it.create(key("bob").on_tier("silver"));
    let message = |it: &Simulation| {
        let conditions = it.key("alice").status.clone().unwrap().conditions;
        conditions[1].message.clone()
    };
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans.push(plan("gold", 7)));
    it.settle();
    oracle::check(&it);
    assert_eq!(it.says("alice")[1], "Enforced/DuplicateTier");
    assert!(message(&it).contains("whose limits are in status.limits"));
    assert_eq!(it.says("bob")[1], "Enforced/Enforced");
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.spec.plans[2].limits = Limits::default();
    });
    it.settle();
    assert_eq!(it.says("alice")[1], "Enforced/DuplicateTier");
    assert!(message(&it).contains("no limits"));
    it.edit::<PlanPolicy>(OWNER, "games", |it| drop(it.spec.plans.pop()));
    it.settle();
    assert_eq!(it.says("alice")[1], "Enforced/Enforced");
}

/// The reason and the message of `PlansInForce`.
fn plans_in_force(it: &Simulation) -> Option<(String, String)> {
    let mut conditions = status(it).conditions.into_iter();
    let told = conditions.find(|it| it.type_ == "PlansInForce")?;
    Some((told.reason, told.message))
}

#[test]
fn that_the_plans_are_not_enforced_is_told_before_whatever_else_is_wrong_with_them() {
    let mut it = Simulation::ready(product());
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.spec.plans.push(plan("gold", 7)));
    it.settle();
    let (reason, twice) = plans_in_force(&it).expect("a word");
    assert_eq!(reason, "DuplicateTier");
    for kind in ["Enforced", "Accepted"] {
        let says = |holds| PolicyStatus {
            conditions: vec![condition(kind, holds)],
            ..PolicyStatus::default()
        };
        it.edit::<PlanPolicy>(OWNER, "games", |it| it.status = Some(says(false)));
        while it.deliver() {}
        it.wrote();
        it.settle();
        assert_eq!(it.wrote(), ["product status"], "in one write");
        let (reason, message) = plans_in_force(&it).expect("a word");
        assert_eq!(reason, "PlanPolicyNotEnforced", "{kind}");
        assert!(message.contains("not enforced"), "{message}");
        assert!(message.contains(&twice), "{message}");
        it.edit::<PlanPolicy>(OWNER, "games", |it| it.status = Some(says(true)));
        it.settle();
        assert_eq!(
            plans_in_force(&it),
            Some(("DuplicateTier".into(), twice.clone()))
        );
    }
}

#[test]
fn that_plans_are_not_enforced_for_a_moment_is_told_on_no_key_whatever_was_wrong_with_them() {
    let mut it = Simulation::ready(product().automatic());
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.spec.plans.extend([plan("silver", 7), plan("silver", 8)]);
    });
    it.create(key("alice"));
    it.settle();
    it.pass(minutes(5));
    let says = |it: &mut Simulation, holds| {
        it.edit::<PlanPolicy>(OWNER, "games", move |it| {
            it.status = Some(PolicyStatus {
                conditions: vec![condition("Enforced", holds)],
                ..PolicyStatus::default()
            });
        });
        it.settle();
    };
    it.wrote();
    says(&mut it, false);
    assert_eq!(it.wrote(), ["product status"]);
    says(&mut it, true);
    assert_eq!(it.wrote(), ["product status"]);
    says(&mut it, false);
    it.pass(minutes(2));
    assert_eq!(it.says("alice")[1], "!Enforced/PlansNotEnforced");
}

#[test]
fn what_is_wrong_with_plans_stays_told_while_nobody_sees_them() {
    let mut it = Simulation::ready(product());
    it.edit::<PlanPolicy>(OWNER, "games", |it| {
        it.status = Some(PolicyStatus {
            conditions: vec![condition("Enforced", false)],
            ..PolicyStatus::default()
        });
    });
    it.settle();
    let told = plans_in_force(&it);
    assert!(told.is_some());
    it.lose("PlanPolicy", Trouble::Forbidden);
    it.settle();
    assert_eq!(plans_in_force(&it), told);
    it.restart_without(&["PlanPolicy"]);
    it.settle();
    assert_eq!(plans_in_force(&it), told);
    it.regain_all();
    it.edit::<PlanPolicy>(OWNER, "games", |it| it.status = None);
    it.settle();
    assert_eq!(plans_in_force(&it), None);
}

#[test]
fn a_refresh_that_finds_nothing_new_writes_nothing() {
    let mut it = Simulation::ready(documented());
    answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
    it.wrote();
    answer(&mut it, OpenApiState::Fetched, Some("one"), 500);
    assert_eq!(it.wrote(), Vec::<&str>::new());
    answer(&mut it, OpenApiState::Fetched, Some("two"), 900);
    assert_eq!(it.wrote(), ["product status"]);
}

#[test]
fn a_restart_before_the_documents_are_read_again_keeps_what_was_said() {
    for has_slash in [false, true] {
        let mut it = Simulation::ready(documented());
        it.edit::<AuthPolicy>(OWNER, "games", |it| {
            it.spec.rules = Some(rules([("tokens", jwt(ISSUER))]));
        });
        it.settle();
        if has_slash {
            let told = OidcAnswer::WithSlash {
                endpoint: format!("{ISSUER}/token"),
                issuer: format!("{ISSUER}/"),
            };
            it.dirty
                .extend(it.world.observe(Change::Oidc(ISSUER.into(), told)));
            it.settle();
            let slash = ("OIDCDiscovered=True".into(), "IssuerDiffers".into());
            assert!(says(&it).contains(&slash), "{:?}", says(&it));
        }
        it.wrote();
        let before = status(&it);
        it.restart();
        for (id, decision) in it.decisions() {
            assert_eq!(decision.writes, vec![], "{id:?}");
        }
        assert_eq!(status(&it), before);
    }
}

#[test]
fn a_document_that_is_no_longer_referenced_is_no_longer_shown() {
    let mut it = Simulation::ready(documented());
    it.edit::<APIProduct>(OWNER, "games", |it| it.spec.documentation = None);
    it.settle();
    assert_eq!(status(&it).openapi, None);
    assert!(
        !says(&it)
            .iter()
            .any(|(kind, _)| kind.starts_with("OpenAPI"))
    );
}

#[test]
fn a_route_that_is_lost_shows_on_the_product_within_one_decision() {
    let mut it = Simulation::ready(product());
    it.wrote();
    it.delete::<HTTPRoute>(OWNER, "games");
    it.settle();
    assert_eq!(
        says(&it)[0],
        ("Ready=False".into(), "HTTPRouteNotFound".into())
    );
    assert_eq!(it.wrote(), ["product status"]);
}
