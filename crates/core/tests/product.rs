//! What a product's status says.

use std::sync::Arc;

use devportal_api::condition::OpenApiState;
use devportal_api::foreign::{AuthPolicy, HTTPRoute};
use devportal_api::product::{Documentation, OpenApiStatus};
use devportal_api::{APIProduct, APIProductStatus};
use devportal_core::Change;
use devportal_core::change::OpenApiAnswer;
use devportal_mirror::Digest;
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
    let answer = OpenApiAnswer {
        state,
        digest: text.map(Digest::of),
        text: text.map(Arc::from),
        cap: 512_000,
        synced_at: at(seconds),
    };
    it.dirty
        .extend(it.world.observe(Change::OpenApi(URL.into(), answer)));
    it.settle();
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
        [plan("gold", 1000), plan("silver", 100)]
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
    let failure = Change::Oidc(ISSUER.into(), Err("timed out".into()));
    it.dirty.extend(it.world.observe(failure));
    it.settle();
    assert_eq!(endpoint(&it), told);
    assert_eq!(
        says(&it)[3],
        ("OIDCDiscovered=False".into(), "DiscoveryFailed".into())
    );
}

#[test]
fn a_document_is_shown_once_it_was_read_and_kept_when_a_refresh_fails() {
    let mut it = Simulation::ready(documented());
    answer(&mut it, OpenApiState::Fetched, Some("one"), 5);
    let shown = OpenApiStatus {
        raw: Digest::of("one").to_string(),
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
    let mut it = Simulation::ready(documented());
    it.edit::<AuthPolicy>(OWNER, "games", |it| {
        it.spec.rules = Some(rules([("tokens", jwt(ISSUER))]));
    });
    it.settle();
    it.wrote();
    let before = status(&it);
    it.restart();
    for (id, decision) in it.decisions() {
        assert_eq!(decision.writes, vec![], "{id:?}");
    }
    assert_eq!(status(&it), before);
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
