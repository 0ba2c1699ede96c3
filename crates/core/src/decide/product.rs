//! What does a product's status say?
//!
//! It waits for no document: what was not answered yet keeps its last word.

use devportal_api::condition::{
    Fact, OidcState, OpenApiState, kind, render, selector_shared, whole_second,
};
use devportal_api::id::ProductId;
use devportal_api::product::{OidcDiscoveryStatus, OpenApiStatus};
use devportal_api::{APIProduct, APIProductStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use crate::change::OpenApiAnswer;
use crate::decision::{Decision, Need, Write};
use crate::discover;
use crate::world::{Overlap, World};

pub(super) fn decide(id: &ProductId, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let (Some(product), Some(found)) = (world.find_product(id), world.find_discovery(id)) else {
        return decision;
    };
    if product.meta().deletion_timestamp.is_some() {
        return decision;
    }
    let previous = product.status.clone().unwrap_or_default();

    let mut facts = vec![
        found.route.fact(),
        found.plan_policy.fact(),
        found.auth.state.fact(),
    ];
    let Overlap { opens, opened_by } = world.overlap_of(id);
    if !opens.is_empty() || !opened_by.is_empty() {
        facts.push(selector_shared(&opens, &opened_by));
    }
    let generation = product.meta().generation;
    let renew = |facts: &[Fact]| render(facts, &previous.conditions, generation, now);
    let keep = |kind: &str| {
        previous
            .conditions
            .iter()
            .find(|c| c.type_ == kind)
            .cloned()
    };
    let mut conditions = renew(&facts);

    let (oidc, token_endpoint) = match found.issuer() {
        None => (Some(OidcState::NoOidcAuth), None),
        Some(issuer) => {
            decision.needs.insert(Need::Oidc(issuer.to_owned()));
            oidc(issuer, world, &previous)
        }
    };
    conditions.extend(match oidc {
        Some(state) => renew(&[state.fact()]).pop(),
        None => keep(kind::OIDC_DISCOVERED),
    });

    let mut document = None;
    if let Some(url) = discover::openapi_url(product) {
        let answer = world.find_openapi(&url);
        decision.needs.insert(Need::OpenApi(url));
        let condition: Option<Condition> = match answer {
            Some(answer) => renew(&[answer.state.fact()]).pop(),
            None => keep(kind::OPENAPI_SPEC_READY),
        };
        conditions.extend(condition);
        document = openapi(answer, product, &previous);
    }

    let status = APIProductStatus {
        observed_generation: generation,
        discovered_plans: found.plans.clone(),
        openapi: document,
        oidc_discovery: token_endpoint.map(|token_endpoint| OidcDiscoveryStatus { token_endpoint }),
        discovered_auth_scheme: found.auth.scheme.clone(),
        conditions,
    };
    if status != previous {
        decision
            .writes
            .push(Write::ProductStatus(id.clone(), Box::new(status)));
    }
    decision
}

/// The state and the token endpoint; a failed refresh keeps the last endpoint.
fn oidc(
    issuer: &str,
    world: &World,
    previous: &APIProductStatus,
) -> (Option<OidcState>, Option<String>) {
    let last = previous
        .oidc_discovery
        .as_ref()
        .map(|found| found.token_endpoint.clone());
    let url = issuer.to_owned();
    match world.find_oidc(issuer) {
        None => (None, last),
        Some(Ok(endpoint)) => (Some(OidcState::Discovered(url)), Some(endpoint.clone())),
        Some(Err(why)) => {
            let was_this = previous.conditions.iter().any(|condition| {
                condition.type_ == kind::OIDC_DISCOVERED && condition.message.contains(issuer)
            });
            (
                Some(OidcState::Failed {
                    url,
                    why: why.clone(),
                }),
                last.filter(|_| was_this),
            )
        }
    }
}

/// The newest text ever read. `lastSyncTime` moves only with the text, so that
/// a refresh that finds nothing new writes nothing.
fn openapi(
    answer: Option<&OpenApiAnswer>,
    product: &APIProduct,
    previous: &APIProductStatus,
) -> Option<OpenApiStatus> {
    let last = previous.openapi.clone();
    let spec_unchanged = previous.observed_generation == product.meta().generation;
    let Some(answer) = answer else {
        return last.filter(|_| spec_unchanged);
    };
    let Some(text) = &answer.text else {
        let is_too_large = matches!(answer.state, OpenApiState::TooLarge(_));
        return last.filter(|_| spec_unchanged && !is_too_large);
    };
    match last {
        Some(last) if last.raw == **text => Some(last),
        _ => Some(OpenApiStatus {
            raw: text.to_string(),
            last_sync_time: Time(whole_second(answer.synced_at)),
            max_size_used: i64::try_from(answer.cap).ok(),
        }),
    }
}
