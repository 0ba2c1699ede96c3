//! What is around a product's route? The policies that apply to it and what
//! they mean for a consumer.
//!
//! A policy on the route beats one on a Gateway, except where the Gateway's
//! *overrides* ([`auth`]). Gateways are taken in the order of the route's
//! `parentRefs`.

mod auth;
mod plan;
pub mod selector;

use devportal_api::APIProduct;
use devportal_api::condition::{AuthPolicyState, PlanPolicyState, RouteState};
use devportal_api::foreign::{GATEWAY_GROUP, HTTPRoute, ParentRef, PolicyTarget};
use devportal_api::id::{GatewayId, PolicyId, ProductId, RouteId};
use devportal_api::scheme::{AuthenticationRule, DiscoveredAuthScheme, Limits, Plan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;

use crate::world::World;

/// What a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An HTTPRoute.
    Route(RouteId),
    /// A Gateway.
    Gateway(GatewayId),
}

impl Target {
    /// The target of a policy, always in the policy's namespace; `None` for
    /// kinds no product can wrap.
    pub(crate) fn of_policy(policy: &PolicyId, target: &PolicyTarget) -> Option<Self> {
        match (target.group.as_str(), target.kind.as_str()) {
            (GATEWAY_GROUP, "HTTPRoute") => {
                Some(Self::Route(RouteId::new(&policy.namespace, &target.name)))
            }
            (GATEWAY_GROUP, "Gateway") => Some(Self::Gateway(GatewayId::new(
                &policy.namespace,
                &target.name,
            ))),
            _ => None,
        }
    }

    fn of_parent(route: &RouteId, parent: &ParentRef) -> Option<Self> {
        let is_gateway = parent.group.as_deref().unwrap_or(GATEWAY_GROUP) == GATEWAY_GROUP
            && parent.kind.as_deref().unwrap_or("Gateway") == "Gateway";
        let namespace = parent.namespace.as_deref().unwrap_or(&route.namespace);
        is_gateway.then(|| Self::Gateway(GatewayId::new(namespace, &parent.name)))
    }
}

/// Everything found around a product's route.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovery {
    /// Whether the route exists and is accepted.
    pub route: RouteState,
    /// The route's first hostname.
    pub hostname: Option<String>,
    /// Which AuthPolicy applies.
    pub auth: AuthFindings,
    /// Which PlanPolicy applies.
    pub plan_policy: PlanPolicyState,
    /// Its plans, in its order.
    pub plans: Vec<Plan>,
}

/// What the AuthPolicies around a route amount to.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthFindings {
    /// How the product's condition reads.
    pub state: AuthPolicyState,
    /// The rules a consumer can satisfy. `None` when no policy is accepted.
    pub scheme: Option<DiscoveredAuthScheme>,
    /// The API key rule keys are made for: of several, the one of the lowest
    /// priority number, then the first by name.
    pub key_rule: Option<AuthenticationRule>,
    /// The issuer tokens come from, chosen in the same way.
    pub issuer: Option<String>,
}

impl Discovery {
    /// The issuer whose discovery document is wanted.
    pub fn issuer(&self) -> Option<&str> {
        self.auth.issuer.as_deref()
    }

    /// What a tier allows; `None` when it is in no plan.
    pub fn limits(&self, tier: &str) -> Option<&Limits> {
        self.plans
            .iter()
            .find(|plan| plan.tier == tier)
            .map(|plan| &plan.limits)
    }
}

/// The route a product wraps.
pub(crate) fn route_of(product: &APIProduct) -> RouteId {
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

/// The Gateways a route hangs on.
pub(crate) fn gateways_of(id: &RouteId, route: &HTTPRoute) -> Vec<Target> {
    route
        .spec
        .parent_refs
        .iter()
        .filter_map(|parent| Target::of_parent(id, parent))
        .collect()
}

/// Looks around a product's route.
pub fn discover(product: &APIProduct, world: &World) -> Discovery {
    let id = route_of(product);
    let route = world
        .find_route(&id)
        .filter(|route| route.meta().deletion_timestamp.is_none());
    let (plan_policy, plans) = plan::discover(world, &id, route);
    Discovery {
        auth: auth::discover(world, &id, route),
        plan_policy,
        plans,
        hostname: route.and_then(|route| route.spec.hostnames.first().cloned()),
        route: match route {
            None => RouteState::NotFound(id),
            Some(route) if is_accepted(route) => RouteState::Accepted(id),
            Some(_) => RouteState::NotAccepted(id),
        },
    }
}

/// Whether any Gateway controller accepted the route for any of its parents.
fn is_accepted(route: &HTTPRoute) -> bool {
    let parents = route.status.iter().flat_map(|status| &status.parents);
    parents
        .flat_map(|parent| &parent.conditions)
        .any(|condition| holds(condition, "Accepted"))
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
