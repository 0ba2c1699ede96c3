//! What is around a product's route? The policies that apply to it and what
//! they mean for a consumer.
//!
//! A policy on the route beats one on a Gateway, except where the Gateway's
//! *overrides* ([`auth`]). They may differ from one [`path`] of requests to another: what is told
//! is of one path, and where others differ.

mod auth;
mod listener;
mod path;
mod plan;
pub mod selector;

pub use self::listener::{address, hostnames};
pub use self::plan::PlanFindings;

use std::collections::{BTreeMap, BTreeSet};

use devportal_api::APIProduct;
use devportal_api::condition::{AuthPolicyState, Fact, Opening, RouteState, operator_behind};
use devportal_api::foreign::{Kuadrant, PolicyStatus};
use devportal_api::id::{PolicyId, ProductId, RouteId};
use devportal_api::scheme::{
    ApiKeyAuthentication, AuthenticationRule, DiscoveredAuthScheme, Limits,
};
use devportal_mirror::Table;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::Resource;

use crate::surroundings::Surroundings;

/// Everything found around a product's route.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// Whether the route exists and is accepted.
    pub route: RouteState,
    /// The first of the route's [`hostnames`].
    pub hostname: Option<String>,
    /// Which AuthPolicy applies.
    pub auth: AuthFindings,
    /// Which PlanPolicy applies.
    pub plan: PlanFindings,
    /// What of it all cannot be read: what stands above is what was known before.
    pub unreadable: Option<String>,
}

/// What the AuthPolicies around a route amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthFindings {
    /// How the product's condition reads.
    pub state: AuthPolicyState,
    /// The rules a consumer can satisfy. `None` when no policy is accepted.
    pub scheme: Option<DiscoveredAuthScheme>,
    /// The API key rule keys are made for: of several, the one that the product names, else
    /// the one that was used before, else the one of the lowest priority number, then the
    /// first by name.
    pub key_rule: Option<AuthenticationRule>,
    /// Its name.
    pub key_rule_name: Option<String>,
    /// The issuer tokens come from, chosen in the same way.
    pub issuer: Option<String>,
    /// Every API key rule of every path, by name: the gateway lets in whom any of them accepts.
    pub key_rules: Vec<(String, ApiKeyAuthentication)>,
    /// The paths by which keys that are made for that rule are refused, each with the policy
    /// that says so.
    pub refusals: Vec<Refusal>,
    /// Where requests need no credential.
    pub openings: Vec<Opening>,
    /// The rule that may let requests with a key in as anybody's, if there is one.
    pub outrun_by: Option<String>,
    /// Whether the rule that keys are made for is tried for some requests only.
    pub is_conditional: bool,
    /// The rules that remember whom they let in by a key, and for how many seconds.
    pub caches: BTreeMap<String, i64>,
    /// The policies that the operator has not looked at as they are now: the gateway goes by what
    /// they were before.
    pub behind: BTreeSet<PolicyId>,
    /// Whether the gateway goes by the policies as they are now, and not as they were before.
    pub settled: Settled,
    /// Whether the route is known to be on the path that all of this is told of.
    pub is_certain: bool,
}

/// A path by which keys are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The path, for people.
    pub path: String,
    /// The policy that says so.
    pub policy: PolicyId,
    /// Whether it is known that requests come by it.
    pub is_certain: bool,
}

/// Whether kuadrant-operator has carried policies out. The later the worse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Settled {
    /// All of them.
    #[default]
    Yes,
    /// It looks at them as they are, and something has been in the way since then.
    NotSince(Timestamp),
    /// It does not look at them as they are yet.
    No,
}

impl AuthFindings {
    fn nothing(state: AuthPolicyState) -> Self {
        Self {
            state,
            scheme: None,
            key_rule: None,
            key_rule_name: None,
            issuer: None,
            key_rules: Vec::new(),
            refusals: Vec::new(),
            openings: Vec::new(),
            outrun_by: None,
            is_conditional: false,
            caches: BTreeMap::new(),
            behind: BTreeSet::new(),
            settled: Settled::default(),
            is_certain: true,
        }
    }
}

impl Discovery {
    /// How it reads that the operator has not looked at policies as they are now, if so.
    pub(crate) fn behind(&self) -> Option<Fact> {
        let auth = self.auth.behind.iter().map(|it| ("AuthPolicy", it));
        let plan = self.plan.behind.iter().map(|it| ("PlanPolicy", it));
        operator_behind(auth.chain(plan))
    }

    /// The issuer whose discovery document is wanted.
    pub fn issuer(&self) -> Option<&str> {
        self.auth.issuer.as_deref()
    }

    /// What a tier allows; `None` when it is in no plan. Of several plans of a tier the
    /// gateway holds the last.
    pub fn limits(&self, tier: &str) -> Option<&Limits> {
        let mut plans = self.plan.plans.iter().rev();
        plans
            .find(|plan| plan.tier == tier)
            .map(|plan| &plan.limits)
    }
}

/// The route a product wraps.
pub fn route_of(product: &APIProduct) -> RouteId {
    RouteId::new(
        ProductId::of(product).namespace,
        &product.spec.target_ref.name,
    )
}

/// The address of a product's OpenAPI document.
pub(crate) fn openapi_url(product: &APIProduct) -> Option<String> {
    let url = product
        .spec
        .documentation
        .as_ref()?
        .open_api_spec_url
        .clone()?;
    (!url.is_empty()).then_some(url)
}

/// What is known of a product before this one of the name, which does not tell for which rule
/// its keys were made: it was replaced or restored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before<'a> {
    /// The rule that was told.
    pub rule: Option<&'a str>,
    /// The labels of a credential that was made for it.
    pub labels: Option<&'a BTreeMap<String, String>>,
}

/// Looks around a product's route.
pub fn discover(product: &APIProduct, before: Before<'_>, around: &Surroundings) -> Discovery {
    let used = used_rule(product).or(before.rule);
    let rule = match (product.spec.auth_rule.as_deref(), used, before.labels) {
        (Some(chosen), _, _) => Prefer::Only(chosen),
        (None, Some(used), _) => Prefer::If(used),
        (None, None, Some(labels)) => Prefer::Selecting(labels),
        (None, None, None) => Prefer::None,
    };
    let keys = Keys {
        prefer: rule,
        of: Some(&ProductId::of(product)),
    };
    look(&route_of(product), keys, around)
}

/// The rule that a product tells its keys are made for.
pub(crate) fn used_rule(product: &APIProduct) -> Option<&str> {
    product.status.as_ref()?.auth_rule.as_deref()
}

/// Looks around a route, whether or not a product wraps it.
pub fn look_around(id: &RouteId, around: &Surroundings) -> Discovery {
    let keys = Keys {
        prefer: Prefer::None,
        of: None,
    };
    look(id, keys, around)
}

/// The keys that are to be taken.
#[derive(Clone, Copy, Debug)]
struct Keys<'a> {
    prefer: Prefer<'a>,
    /// Whose they are.
    of: Option<&'a ProductId>,
}

/// Which of several API key rules keys are made for, by name.
#[derive(Clone, Copy, Debug)]
enum Prefer<'a> {
    /// None before others.
    None,
    /// This one, where it is there.
    If(&'a str),
    /// One that takes a Secret with these labels, where there is one.
    Selecting(&'a BTreeMap<String, String>),
    /// This one, or none.
    Only(&'a str),
}

fn look(id: &RouteId, keys: Keys<'_>, around: &Surroundings) -> Discovery {
    let route = around.find_route(id);
    let paths = route.map(|route| path::paths(around, id, route));
    let paths = paths.unwrap_or_default();
    let (auth, told) = auth::discover(around, &paths, keys);
    Discovery {
        plan: plan::discover(around, told, &paths, &auth),
        auth,
        unreadable: around.unreadable(id),
        hostname: route.and_then(|route| hostnames(around, id, route).into_iter().next()),
        route: match route {
            None => RouteState::NotFound(id.clone()),
            Some(route) if path::is_accepted(id, route) => RouteState::Accepted(id.clone()),
            Some(_) => RouteState::NotAccepted(id.clone()),
        },
    }
}

/// The Kuadrant resource that counts, in whose namespace enforcement Secrets belong: the
/// oldest of these that is not being deleted.
pub fn oldest_kuadrant<'a>(
    kuadrants: impl IntoIterator<Item = &'a ObjectMeta>,
) -> Option<&'a ObjectMeta> {
    let all = kuadrants.into_iter();
    let alive = all.filter(|it| it.deletion_timestamp.is_none());
    alive.min_by_key(|it| {
        let created = it.creation_timestamp.as_ref().map(|at| at.0);
        (created, &it.namespace, &it.name)
    })
}

/// The namespace of the one that counts.
pub fn kuadrant_namespace(kuadrants: &Table<Kuadrant>) -> Option<&str> {
    let all = kuadrants.iter().map(|(_, kuadrant)| kuadrant.meta());
    oldest_kuadrant(all)?.namespace.as_deref()
}

/// Whether a policy's status says so, whichever generation it is about.
fn says(status: Option<&PolicyStatus>, kind: &str, holds: &str) -> bool {
    let mut conditions = status.into_iter().flat_map(|it| &it.conditions);
    conditions.any(|it| it.type_ == kind && it.status == holds)
}

/// Whether the operator has not looked at a policy as it is now. It notes the generation in the
/// status, and not in each condition.
fn is_behind<K: Resource>(policy: &K, status: Option<&PolicyStatus>) -> bool {
    let observed = status.and_then(|it| it.observed_generation);
    observed.is_some() && observed < policy.meta().generation
}

fn holds(condition: &Condition, kind: &str) -> bool {
    condition.type_ == kind && condition.status == "True"
}

/// Whether a policy's condition holds, and for the policy as it is now.
fn holds_now<K: Resource>(policy: &K, conditions: &[Condition], kind: &str) -> bool {
    let generation = policy.meta().generation;
    conditions.iter().any(|at| {
        holds(at, kind)
            && (at.observed_generation.is_none() || at.observed_generation >= generation)
    })
}
