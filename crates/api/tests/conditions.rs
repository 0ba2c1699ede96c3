//! Does every condition read as the published contract has it?

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use devportal_api::condition::{
    Attachment, AuthPolicyState, Blocker, Enforcement, Fact, Lifecycle, OidcState, OpenApiState,
    PlanPolicyState, Review, RouteState, Validity, auto, render,
};
use devportal_api::id::{PolicyId, ProductId, RequestId, RouteId, SecretId};
use devportal_api::key::Phase;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Type, status, reason and message, as `kubectl describe` shows them.
type Row<'a> = (&'a str, bool, &'a str, &'a str);

#[track_caller]
fn reads(fact: &Fact, row: Row<'_>) {
    assert_eq!(
        (fact.kind, fact.holds, fact.reason, fact.message.as_str()),
        row
    );
}

fn review(message: Option<&str>) -> Review {
    Review {
        by: "olivia".into(),
        at: at("2026-04-10T12:00:00Z"),
        message: message.map(Into::into),
    }
}

#[test]
fn a_failed_key_says_what_is_missing() {
    let product = || ProductId::new("gamestore", "games");
    let secret = || SecretId::new("consumer-app", "mine");
    let table = [
        (
            Blocker::KuadrantNotFound,
            "KuadrantNotFound",
            "Kuadrant CR not found in cluster",
        ),
        (
            Blocker::ProductNotFound(product()),
            "APIProductNotFound",
            "Referenced APIProduct gamestore/games not found",
        ),
        (
            Blocker::ProductDeleting(product()),
            "APIProductDeleting",
            "Referenced APIProduct gamestore/games is being deleted",
        ),
        (
            Blocker::SecretNotFound(secret()),
            "SecretNotFound",
            "Referenced secret consumer-app/mine not found",
        ),
        (
            Blocker::SecretEntryNotFound(secret()),
            "SecretAPIKeyNotFound",
            r#"Secret consumer-app/mine does not contain "api_key" entry"#,
        ),
        (
            Blocker::SecretEntryEmpty(secret()),
            "SecretAPIKeyEmpty",
            r#"Secret consumer-app/mine has empty "api_key" entry"#,
        ),
        (
            Blocker::AuthSchemeNotFound(product()),
            "AuthSchemeNotFound",
            "APIProduct gamestore/games does not have a discovered authentication scheme",
        ),
        (
            Blocker::ApiKeyAuthSchemeNotFound(product()),
            "APIKeyAuthSchemeNotFound",
            "APIProduct gamestore/games does not have an API key authentication scheme configured",
        ),
    ];
    for (blocker, reason, message) in table {
        reads(
            &Lifecycle::Failed(blocker).fact(),
            ("Failed", true, reason, message),
        );
    }
}

#[test]
fn a_decided_key_says_who_decided_and_what_they_said() {
    let table = [
        (
            Lifecycle::Approved(review(None)),
            (
                "Approved",
                true,
                "Approved",
                "API key request approved by olivia",
            ),
        ),
        (
            Lifecycle::Approved(review(Some("have fun"))),
            (
                "Approved",
                true,
                "Approved",
                "API key request approved by olivia: have fun",
            ),
        ),
        (
            Lifecycle::Denied(review(Some(""))),
            ("Denied", true, "Denied", "API key request denied by olivia"),
        ),
        (
            Lifecycle::Denied(review(Some("not this year"))),
            (
                "Denied",
                true,
                "Denied",
                "API key request denied by olivia: not this year",
            ),
        ),
    ];
    for (state, row) in table {
        reads(&state.fact(), row);
    }
}

#[test]
fn a_key_that_waits_or_is_over_says_so() {
    reads(
        &Lifecycle::Pending.fact(),
        (
            "Pending",
            true,
            "AwaitingApproval",
            "API key request is awaiting approval",
        ),
    );
    reads(
        &Lifecycle::Expired(at("2026-04-10T12:00:00.75Z")).fact(),
        (
            "Expired",
            true,
            "KeyExpired",
            "API key expired at 2026-04-10T12:00:00Z",
        ),
    );
}

#[test]
fn the_phase_mirrors_the_lifecycle() {
    let table = [
        (Lifecycle::Pending, Phase::Pending),
        (Lifecycle::Failed(Blocker::KuadrantNotFound), Phase::Pending),
        (Lifecycle::Approved(review(None)), Phase::Approved),
        (Lifecycle::Denied(review(None)), Phase::Rejected),
        (
            Lifecycle::Expired(at("2026-04-10T12:00:00Z")),
            Phase::Rejected,
        ),
    ];
    for (state, phase) in table {
        assert_eq!(state.phase(), phase, "{state:?}");
    }
}

#[test]
fn a_product_says_what_became_of_its_route() {
    let route = || RouteId::new("toystore", "toys");
    reads(
        &RouteState::Accepted(route()).fact(),
        (
            "Ready",
            true,
            "HTTPRouteAccepted",
            "HTTPRoute toystore/toys accepted",
        ),
    );
    reads(
        &RouteState::NotAccepted(route()).fact(),
        (
            "Ready",
            false,
            "HTTPRouteNotAccepted",
            "HTTPRoute toystore/toys not accepted",
        ),
    );
    reads(
        &RouteState::NotFound(route()).fact(),
        (
            "Ready",
            false,
            "HTTPRouteNotFound",
            "HTTPRoute toystore/toys not found",
        ),
    );
}

#[test]
fn a_product_says_which_policies_apply() {
    let attached = |kind: &str| Attachment {
        policy: PolicyId::new("toystore", "rules"),
        target_kind: kind.into(),
        target_name: "toys".into(),
    };
    let plans = "PlanPolicyDiscovered";
    reads(
        &PlanPolicyState::Found(attached("HTTPRoute")).fact(),
        (
            plans,
            true,
            "Found",
            "Discovered PlanPolicy rules targeting HTTPRoute toys",
        ),
    );
    reads(
        &PlanPolicyState::NotFound.fact(),
        (plans, false, "NotFound", "PlanPolicy not found"),
    );
    let auth = "AuthPolicyDiscovered";
    reads(
        &AuthPolicyState::Found(attached("Gateway")).fact(),
        (
            auth,
            true,
            "Found",
            "Discovered AuthPolicy rules targeting Gateway toys",
        ),
    );
    reads(
        &AuthPolicyState::NotFound.fact(),
        (auth, false, "NotFound", "AuthPolicy not found"),
    );
    reads(
        &AuthPolicyState::NotReady.fact(),
        (
            auth,
            false,
            "AuthPolicyNotReady",
            "AuthPolicy not accepted or not enforced",
        ),
    );
}

#[test]
fn a_product_says_what_became_of_its_documents() {
    let url = "https://login.example.com/.well-known/openid-configuration";
    let oidc = "OIDCDiscovered";
    reads(
        &OidcState::Discovered(url.into()).fact(),
        (
            oidc,
            true,
            "Discovered",
            &format!("OIDC discovery fetched from {url}"),
        ),
    );
    let slash = OidcState::SlashDiffers {
        url: url.into(),
        issuer: "https://login.example.com/".into(),
    };
    reads(
        &slash.fact(),
        (
            oidc,
            true,
            "IssuerDiffers",
            &format!(
                "OIDC discovery fetched from {url}; it names its issuer \
                 \"https://login.example.com/\", and Authorino refuses its tokens until the \
                 AuthPolicy does so"
            ),
        ),
    );
    reads(
        &OidcState::NoOidcAuth.fact(),
        (
            oidc,
            false,
            "NoOIDCAuth",
            "No JWT/OIDC authentication configured in AuthPolicy",
        ),
    );
    reads(
        &OidcState::Failed {
            url: url.into(),
            why: "timed out".into(),
        }
        .fact(),
        (
            oidc,
            false,
            "DiscoveryFailed",
            &format!("Failed to fetch OIDC discovery from {url}: timed out"),
        ),
    );
    let spec = "OpenAPISpecReady";
    reads(
        &OpenApiState::Fetched.fact(),
        (
            spec,
            true,
            "SpecFetched",
            "OpenAPI spec was successfully fetched",
        ),
    );
    let failures = [
        (OpenApiState::FetchFailed("timed out".into()), "FetchFailed"),
        (OpenApiState::ReadFailed("not text".into()), "ReadFailed"),
        (OpenApiState::TooLarge(512_000), "SpecSizeTooLarge"),
        (OpenApiState::Refused("no".into()), "SpecRefused"),
    ];
    for (state, reason) in failures {
        let fact = state.fact();
        assert_eq!((fact.kind, fact.holds, fact.reason), (spec, false, reason));
        assert!(!fact.message.is_empty());
    }
}

#[test]
fn an_approval_says_whether_it_counts() {
    let request = || RequestId::new("toystore", "consumer-first-12345678");
    reads(
        &Validity::Valid(request()).fact(),
        (
            "Valid",
            true,
            "Valid",
            "References existing APIKeyRequest toystore/consumer-first-12345678",
        ),
    );
    reads(
        &Validity::RequestNotFound(request()).fact(),
        (
            "Valid",
            false,
            "APIKeyRequestNotFound",
            "Referenced APIKeyRequest toystore/consumer-first-12345678 not found",
        ),
    );
    let fact = Validity::RequestDeleting(request()).fact();
    assert_eq!(
        (fact.kind, fact.holds, fact.reason),
        ("Valid", false, "APIKeyRequestDeleting")
    );
}

#[test]
fn an_automatic_approval_speaks_the_published_words() {
    assert_eq!(auto::REVIEWER, "system");
    assert_eq!(auto::REASON, "AutoApproved");
    assert_eq!(
        auto::MESSAGE,
        "Automatically approved based on APIProduct approval mode"
    );
}

#[test]
fn only_a_change_of_status_moves_the_transition_time() {
    let (early, late) = (at("2026-04-10T12:00:00Z"), at("2026-04-10T13:00:00.9Z"));
    let facts = [
        Lifecycle::Approved(review(None)).fact(),
        Enforcement::Issuing.fact(),
    ];
    let before = render(&facts, &[], Some(1), early);
    assert_eq!(render(&facts, &before, Some(1), late), before);

    let facts = [
        Lifecycle::Approved(review(Some("again"))).fact(),
        Enforcement::Enforced.fact(),
    ];
    let after = render(&facts, &before, Some(2), late);
    assert_eq!(
        after[0].message,
        "API key request approved by olivia: again"
    );
    assert_eq!(after[0].observed_generation, Some(2));
    assert_eq!(after[0].last_transition_time, Time(early));
    assert_eq!(
        after[1].last_transition_time,
        Time(at("2026-04-10T13:00:00Z"))
    );
}

#[test]
fn every_reason_is_explained_in_the_reference() {
    let page = include_str!("../../../docs/reference/conditions.md");
    let source = include_str!("../src/condition.rs");
    let code = source.split("#[cfg(test)]").next().unwrap();
    // Types and reasons are the CamelCase literals. The names of two foreign
    // kinds are, too.
    let words = code.split('"').skip(1).step_by(2);
    let camel = |word: &&str| {
        word.chars().all(char::is_alphanumeric) && word.starts_with(|c: char| c.is_uppercase())
    };
    let not_ours = ["True", "False", "AuthPolicy", "PlanPolicy"];
    for word in words.filter(camel).filter(|word| !not_ours.contains(word)) {
        assert!(
            page.contains(&format!("`{word}`")),
            "{word} is not in conditions.md"
        );
    }
}
