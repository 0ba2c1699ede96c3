//! What does a product's status say?
//!
//! It waits for no document: what was not answered yet keeps its last word.

use std::collections::BTreeSet;

use devportal_api::condition::{
    Fact, OidcState, OpenApiState, Opening, PlanFault, access_cached, auth_rule_missing, kind,
    not_readable, not_seen, refused_on_paths, render, selector_open, selector_shared,
    unmanaged_keys, whole_second,
};
use devportal_api::id::ProductId;
use devportal_api::product::{OidcDiscoveryStatus, OpenApiStatus};
use devportal_api::{APIProduct, APIProductStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::Resource;

use crate::brake::Hindrance;
use crate::change::{OidcAnswer, OpenApiAnswer};
use crate::decision::{Decision, Group, Id, Need, Write};
use crate::discover::{self, Discovery};
use crate::world::{Doubt, Overlap, World, find_alive};

pub(super) fn decide(id: &ProductId, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let alive = find_alive(&world.products().look(id));
    let (Some(product), Some(found)) = (alive, world.find_discovery(id)) else {
        return decision;
    };
    let flaw = world.products().flaw(id);
    let previous = product.status.clone().unwrap_or_default();

    let blind = Blind::of(world);
    let (facts, kept) = around(id, product, found, &blind, world);
    let generation = product.meta().generation;
    // Since when plans are not enforced is told also where they were wrong otherwise before.
    let is_doubt = |it: &Condition| it.reason == PlanFault::NOT_ENFORCED;
    let mut before = previous.conditions.clone();
    before.retain(|it| match it.type_.as_str() {
        kind::PLANS_IN_FORCE => is_doubt(it) == found.plan.not_enforced().is_some(),
        // Nor is it told since when the route was not there that it is not accepted.
        kind::READY => it.reason == found.route.fact().reason,
        _ => true,
    });
    let renew = |facts: &[Fact]| render(facts, &before, generation, now);
    let keep = |kind: &str| {
        previous
            .conditions
            .iter()
            .find(|c| c.type_ == kind)
            .cloned()
    };
    let mut conditions: Vec<_> = kept.into_iter().filter_map(keep).collect();
    conditions.extend(renew(&facts));

    let (oidc, token_endpoint) = match found.issuer() {
        None => (Some(OidcState::NoOidcAuth), None),
        Some(issuer) => {
            decision.needs.insert(Need::Oidc(issuer.to_owned()));
            oidc(issuer, world, &previous)
        }
    };
    conditions.extend(match oidc {
        Some(state) => renew(&[state.fact()]).pop(),
        None => keep(kind::OIDC_DISCOVERED).filter(|it| {
            found
                .issuer()
                .is_some_and(|issuer| names(&it.message, issuer))
        }),
    });

    let mut document = None;
    if let Some(url) = discover::openapi_url(product) {
        let answer = world.find_openapi(&url);
        decision.needs.insert(Need::OpenApi(url.clone()));
        let last = last_document(product, &previous, &url);
        let wanted = openapi(answer, last, &url);
        let refusal_of = |it: &OpenApiStatus| world.refusal_of(id, &it.raw);
        let refusal = wanted.as_ref().and_then(refusal_of);
        let condition: Option<Condition> = match answer {
            Some(answer) => renew(&[told(&answer.state, refusal).fact()]).pop(),
            None => keep(kind::OPENAPI_SPEC_READY).filter(|_| {
                let has_none = previous.openapi.is_none();
                last.is_some() || (has_none && previous.observed_generation == generation)
            }),
        };
        conditions.extend(condition);
        let last = last.filter(|it| refusal_of(it).is_none());
        document = match refusal {
            None => wanted,
            Some(_) => last.map(|it| at(it, &url)),
        };
    }

    // A document that is there and cannot be read waits for the next answer.
    if document.is_none() && flaw.is_some_and(|it| it.has_hole("status.openapi")) {
        return decision;
    }
    let seen = |doubt: &Option<Doubt>| doubt.is_none();
    let status = APIProductStatus {
        observed_generation: generation,
        discovered_plans: if seen(&blind.plans) {
            found.plan.plans.clone()
        } else {
            previous.discovered_plans.clone()
        },
        openapi: document,
        oidc_discovery: token_endpoint.map(|token_endpoint| OidcDiscoveryStatus {
            token_endpoint,
            issuer: found.issuer().map(str::to_owned),
        }),
        discovered_auth_scheme: if seen(&blind.policies) && seen(&blind.routes) {
            found.auth.scheme.clone()
        } else {
            previous.discovered_auth_scheme.clone()
        },
        // Also while the policy is replaced.
        auth_rule: (found.auth.key_rule_name.clone()).or_else(|| previous.auth_rule.clone()),
        conditions,
    };
    let status = world.fit::<APIProduct, _>("status", status, Some(&previous));
    if status != previous || flaw.is_some_and(|it| it.has_status_hole()) {
        decision
            .writes
            .push(Write::ProductStatus(id.clone(), Box::new(status)));
    }
    decision
}

/// What is so around a product, and the conditions that stay as they were: what is not
/// seen is as it was.
fn around(
    id: &ProductId,
    product: &APIProduct,
    found: &Discovery,
    blind: &Blind,
    world: &World,
) -> (Vec<Fact>, Vec<&'static str>) {
    let mut facts = Vec::new();
    let mut kept = Vec::new();
    let around = [
        (found.route.fact(), &blind.routes),
        (found.plan.state.fact(), &blind.plans),
        (found.auth.state.fact(), &blind.policies),
    ];
    for (fact, doubt) in around {
        match doubt {
            None => facts.push(fact),
            Some(_) => kept.push(fact.kind),
        }
    }
    let doubt = blind.first();
    let flaw = world.products().flaw(id);
    if let Some(flaw) = flaw.filter(|it| !it.has_spec()) {
        facts.push(not_readable(&format!("APIProduct {id}: {}", flaw.words())));
    } else if let Some(what) = &found.unreadable {
        facts.push(not_readable(what));
    } else if let Some(doubt) = doubt {
        facts.push(not_seen(&doubt.what, &doubt.why));
    }
    match blind.plans {
        None => facts.extend(PlanFault::fact(&found.plan.faults)),
        Some(_) => kept.push(kind::PLANS_IN_FORCE),
    }
    if blind.policies.is_none() {
        facts.extend(missing_rule(product, found));
        let refusals = found.auth.refusals.iter();
        let refusals: Vec<_> = refusals.map(|it| (&*it.path, &it.policy)).collect();
        let conditional = found.auth.key_rule_name.as_deref();
        let conditional = conditional.filter(|_| found.auth.is_conditional);
        facts.extend(refused_on_paths(&refusals, conditional));
        facts.extend(Opening::fact(&found.auth.openings));
        facts.extend(access_cached(&found.auth.caches));
        match &blind.plans {
            Some(_) => kept.push(kind::POLICIES_OBSERVED),
            None => facts.extend(found.behind()),
        }
    } else {
        let those = [
            kind::AUTH_RULE_FOUND,
            kind::ACCEPTED_EVERYWHERE,
            kind::PARTLY_OPEN,
            kind::ACCESS_CACHED,
            kind::POLICIES_OBSERVED,
        ];
        kept.extend(those);
    }
    facts.extend(refused(id, world));
    if blind.policies.is_some() || blind.routes.is_some() {
        // Which rules there are is not seen.
        let those = [
            kind::SELECTOR_SHARED,
            kind::SELECTOR_OPEN,
            kind::UNMANAGED_KEYS,
        ];
        kept.extend(those);
    } else {
        facts.extend(other_keys(id, found, world, &mut kept));
    }
    (facts, kept)
}

/// Which keys open a product's API that were not made for it.
fn other_keys(
    id: &ProductId,
    found: &Discovery,
    world: &World,
    kept: &mut Vec<&'static str>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let Overlap { opens, opened_by } = world.overlap_of(id);
    if !opens.is_empty() || !opened_by.is_empty() {
        facts.push(selector_shared(id, &opens, &opened_by));
    }
    let rules = found.auth.key_rules.iter();
    let open = rules.filter(|(_, api_key)| api_key.all_namespaces);
    let open: BTreeSet<_> = open.map(|(name, _)| name.clone()).collect();
    if !open.is_empty() {
        facts.push(selector_open(&open));
    }
    match world.unmanaged_keys_of(id) {
        Some(0) => {}
        Some(count) => {
            let namespace = world.kuadrant_namespace().unwrap_or_default();
            facts.push(unmanaged_keys(count, namespace));
        }
        None => kept.push(kind::UNMANAGED_KEYS),
    }
    facts
}

/// That the rule which the product chose is not there.
fn missing_rule(product: &APIProduct, found: &Discovery) -> Option<Fact> {
    let chosen = product.spec.auth_rule.as_deref()?;
    let is_missing = found.auth.scheme.is_some() && found.auth.key_rule.is_none();
    let there: BTreeSet<_> = found
        .auth
        .key_rules
        .iter()
        .map(|(name, _)| &**name)
        .collect();
    is_missing.then(|| auth_rule_missing(chosen, &there))
}

/// Which kinds around routes are not seen. One that is not installed has no objects.
struct Blind {
    routes: Option<Doubt>,
    policies: Option<Doubt>,
    plans: Option<Doubt>,
}

impl Blind {
    fn of(world: &World) -> Self {
        let around = world.around();
        Self {
            routes: World::unseen(&around.routes),
            policies: World::unseen(around.auth_policies.table()),
            plans: World::unseen(around.plan_policies.table()),
        }
    }

    fn first(&self) -> Option<&Doubt> {
        let all = [&self.routes, &self.policies, &self.plans];
        all.into_iter().flatten().next()
    }
}

/// The requests that the API server does not let be written: their owner would not
/// know of them.
fn refused(id: &ProductId, world: &World) -> Option<Fact> {
    let mut failures = world.refused_of(id).filter_map(|key| {
        match world.hindrance(&Id::Key(key.clone()), Group::Record)? {
            Hindrance::Failed(failure) => Some(failure.refused()),
            Hindrance::DoesNotStay => None,
        }
    });
    let first = failures.next()?;
    Some(first.of_product(failures.count() + 1))
}

/// The state and the token endpoint; what cannot be read keeps the last endpoint of the same
/// issuer.
fn oidc(
    issuer: &str,
    world: &World,
    previous: &APIProductStatus,
) -> (Option<OidcState>, Option<String>) {
    let was_told = || {
        let mut told = previous.conditions.iter();
        told.any(|it| it.type_ == kind::OIDC_DISCOVERED && names(&it.message, issuer))
    };
    let last = previous.oidc_discovery.as_ref();
    let is_same = |it: &&OidcDiscoveryStatus| match &it.issuer {
        Some(of) => of == issuer,
        // Earlier versions did not note it.
        None => was_told(),
    };
    let last = last.filter(is_same).map(|it| it.token_endpoint.clone());
    let url = issuer.to_owned();
    match world.find_oidc(issuer) {
        None => (None, last),
        Some(OidcAnswer::Endpoint(endpoint)) => {
            (Some(OidcState::Discovered(url)), Some(endpoint.clone()))
        }
        Some(OidcAnswer::WithSlash { endpoint, issuer }) => {
            let issuer = issuer.clone();
            let state = OidcState::SlashDiffers { url, issuer };
            (Some(state), Some(endpoint.clone()))
        }
        Some(OidcAnswer::NoEndpoint(why)) => {
            let why = why.clone();
            (Some(OidcState::Failed { url, why }), None)
        }
        Some(OidcAnswer::Failed(why)) => {
            let why = why.clone();
            (Some(OidcState::Failed { url, why }), last)
        }
    }
}

/// Whether a condition's message is about this issuer, and not one that begins like it.
fn names(message: &str, issuer: &str) -> bool {
    let after = message.split_once(issuer).map(|(_, after)| after);
    after.is_some_and(|it| it.is_empty() || [": ", "; "].iter().any(|end| it.starts_with(end)))
}

/// The document as it was last read, where that was at this address.
fn last_document<'a>(
    product: &APIProduct,
    previous: &'a APIProductStatus,
    url: &str,
) -> Option<&'a OpenApiStatus> {
    let is_same = |last: &&OpenApiStatus| match &last.url {
        Some(of) => of == url,
        // Earlier versions did not note it.
        None => previous.observed_generation == product.meta().generation,
    };
    previous.openapi.as_ref().filter(is_same)
}

/// What became of a document that is there, and that the status may not have.
fn told(state: &OpenApiState, refusal: Option<&str>) -> OpenApiState {
    match (state, refusal) {
        (OpenApiState::Fetched, Some(why)) => OpenApiState::Refused(why.to_owned()),
        _ => state.clone(),
    }
}

/// A document, and where it was read: earlier versions did not note it.
fn at(last: &OpenApiStatus, url: &str) -> OpenApiStatus {
    OpenApiStatus {
        url: Some(url.to_owned()),
        ..last.clone()
    }
}

/// The newest text ever read. `lastSyncTime` moves only with the text, so that
/// a refresh that finds nothing new writes nothing.
fn openapi(
    answer: Option<&OpenApiAnswer>,
    last: Option<&OpenApiStatus>,
    url: &str,
) -> Option<OpenApiStatus> {
    let noted = |last: &OpenApiStatus| at(last, url);
    let Some(answer) = answer else {
        return last.map(noted);
    };
    let Some(digest) = answer.digest else {
        // One of a higher limit than there is now goes with it.
        let cap = i64::try_from(answer.cap).unwrap_or(i64::MAX);
        let fits = |last: &&OpenApiStatus| last.max_size_used.is_some_and(|used| used <= cap);
        let is_too_large = answer.state.is_too_large();
        return last.filter(|it| !is_too_large || fits(it)).map(noted);
    };
    // The mirror keeps the digest in the text's place, and so do decisions.
    let raw = digest.to_string();
    match last {
        Some(last) if last.raw == raw => Some(noted(last)),
        _ => Some(OpenApiStatus {
            raw,
            url: Some(url.to_owned()),
            last_sync_time: Time(whole_second(answer.synced_at)),
            max_size_used: i64::try_from(answer.cap).ok(),
        }),
    }
}
