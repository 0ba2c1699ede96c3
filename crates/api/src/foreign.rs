//! What do we read of other people's kinds? Partial views: only the fields we
//! use, so that an unknown field never stops us and memory stays small.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{CustomResource, Resource};
use serde::{Deserialize, Serialize};

use crate::scheme::{ApiKeyAuthentication, Credentials, JwtAuthentication, Limits, Plan};

/// The group of HTTPRoute and Gateway.
pub const GATEWAY_GROUP: &str = "gateway.networking.k8s.io";

/// A Gateway: on which listeners requests come in.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "Gateway",
    plural = "gateways",
    namespaced,
    derive = "PartialEq",
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub struct GatewaySpec {
    /// Each has a name of its own.
    pub listeners: Vec<Listener>,
}

/// A listener of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Listener {
    /// The name that policies and parents of routes use.
    pub name: String,
    /// The hostname requests are for; absent or empty: any.
    pub hostname: Option<String>,
    /// The port it listens on.
    pub port: i32,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one of an implementation.
    pub protocol: String,
    /// Which routes may be attached to it.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// Which routes may be attached to a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AllowedRoutes {
    /// From which namespaces.
    pub namespaces: Option<RouteNamespaces>,
    /// Of which kinds; empty: those of the protocol.
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may be attached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteNamespaces {
    /// `All`, `Same`, `Selector` or `None`; absent: `Same`.
    pub from: Option<String>,
}

/// A kind of route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteGroupKind {
    /// Absent: the Gateway API's own group.
    pub group: Option<String>,
    /// The kind.
    pub kind: String,
}

/// An HTTPRoute: where requests enter and which Gateways it hangs on.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    namespaced,
    derive = "PartialEq",
    schema = "disabled",
    status = "HttpRouteStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpRouteSpec {
    /// The hostnames requests are matched by.
    pub hostnames: Vec<String>,
    /// The Gateways (or other parents) it is attached to.
    pub parent_refs: Vec<ParentRef>,
    /// Its rules, each of which a policy may be attached to.
    pub rules: Vec<RouteRule>,
}

/// A rule of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteRule {
    /// Absent: `rule-1` for the first, and so on, where policies name it.
    pub name: Option<String>,
    /// Which requests it is for; none: all.
    pub matches: Vec<RouteMatch>,
}

/// Requests that a rule is for: of these no more than the path is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteMatch {
    /// Absent: any path.
    pub path: Option<PathMatch>,
}

/// Paths that a rule is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PathMatch {
    /// `PathPrefix`, which is meant where it is absent, `Exact` or `RegularExpression`.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The path, or an expression for it.
    pub value: Option<String>,
}

/// A parent of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ParentRef {
    /// Absent: the Gateway API's own group.
    pub group: Option<String>,
    /// Absent: `Gateway`.
    pub kind: Option<String>,
    /// Absent: the route's namespace.
    pub namespace: Option<String>,
    /// The parent's name.
    pub name: String,
    /// One listener of it.
    pub section_name: Option<String>,
    /// The listeners of one port of it.
    pub port: Option<i32>,
}

/// What Gateway controllers said about a route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpRouteStatus {
    /// One entry per parent and controller.
    pub parents: Vec<RouteParentStatus>,
}

/// What one controller said about one parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RouteParentStatus {
    /// The parent it is about.
    pub parent_ref: ParentRef,
    /// `Accepted` and others.
    pub conditions: Vec<Condition>,
}

/// An AuthPolicy: which credentials requests need.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "kuadrant.io",
    version = "v1",
    kind = "AuthPolicy",
    plural = "authpolicies",
    namespaced,
    derive = "PartialEq",
    schema = "disabled",
    status = "PolicyStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthPolicySpec {
    /// What it is attached to.
    pub target_ref: PolicyTarget,
    /// For which requests it asks for a credential, where `rules` has no block: all others enter
    /// without one.
    pub when: Vec<Unread>,
    /// Rules written without a block: implicit defaults.
    pub rules: Option<AuthRules>,
    /// Rules a more specific policy may replace.
    pub defaults: Option<AuthRulesBlock>,
    /// Rules a more specific policy may not replace.
    pub overrides: Option<AuthRulesBlock>,
}

/// A `defaults` or `overrides` block.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthRulesBlock {
    /// How the block combines with other policies.
    pub strategy: Strategy,
    /// For which requests the block asks for a credential: all others enter without one.
    pub when: Vec<Unread>,
    /// The rules.
    pub rules: Option<AuthRules>,
}

/// How policies along a route's path combine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// As a whole.
    #[default]
    Atomic,
    /// Rule by rule.
    Merge,
}

/// The rules of an AuthPolicy. Of all but authentication only the presence is
/// kept: it decides whether a policy "has rules".
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthRules {
    /// Who may come in, by rule name.
    pub authentication: BTreeMap<String, AuthenticationSpec>,
    /// Whether metadata is fetched.
    pub metadata: Option<Unread>,
    /// Whether there are authorization rules.
    pub authorization: Option<Unread>,
    /// Whether there are callbacks.
    pub callbacks: Option<Unread>,
    /// Whether responses are shaped.
    pub response: Option<Unread>,
}

/// A value we do not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread;

impl Serialize for Unread {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// One authentication rule. Where none of the methods below is there it has another, which
/// consumers get no keys for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuthenticationSpec {
    /// Accepts API keys.
    pub api_key: Option<ApiKeyAuthentication>,
    /// Accepts tokens.
    pub jwt: Option<JwtAuthentication>,
    /// Accepts whoever asks.
    pub anonymous: Option<Unread>,
    /// Where the credential goes.
    pub credentials: Option<Credentials>,
    /// Rules of a lower number are tried first, those of one number at once.
    pub priority: i64,
    /// For which requests it is tried.
    pub when: Vec<Unread>,
    /// How long whom it let in is remembered.
    pub cache: Option<Cache>,
}

/// For how long an answer is remembered, whatever becomes of what it rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cache {
    /// In seconds.
    pub ttl: i64,
}

impl Default for Cache {
    fn default() -> Self {
        // As Authorino's definition has it.
        Self { ttl: 60 }
    }
}

/// What a policy is attached to, in the policy's own namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyTarget {
    /// The target's group.
    pub group: String,
    /// The target's kind.
    pub kind: String,
    /// The target's name.
    pub name: String,
    /// One listener or one route rule.
    pub section_name: Option<String>,
}

/// The status every Kuadrant policy has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyStatus {
    /// `Accepted` and `Enforced`.
    pub conditions: Vec<Condition>,
    /// The generation that they are about: kuadrant-operator notes it here, and not in each
    /// condition.
    pub observed_generation: Option<i64>,
}

/// A PlanPolicy: which tiers there are and what they allow.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "extensions.kuadrant.io",
    version = "v1alpha1",
    kind = "PlanPolicy",
    plural = "planpolicies",
    namespaced,
    derive = "PartialEq",
    schema = "disabled",
    status = "PolicyStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct PlanPolicySpec {
    /// What it is attached to.
    pub target_ref: PolicyTarget,
    /// The plans; the first that matches a request wins.
    pub plans: Vec<PlanSpec>,
}

/// A plan, and for whom it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlanSpec {
    /// The tier's name.
    pub tier: String,
    /// What the tier allows.
    pub limits: Limits,
    /// Whose requests it is for, in CEL.
    pub predicate: String,
}

impl From<&PlanSpec> for Plan {
    fn from(spec: &PlanSpec) -> Self {
        Self {
            tier: spec.tier.clone(),
            limits: spec.limits.clone(),
        }
    }
}

/// A Kuadrant installation: its namespace holds the credentials. Nothing of it
/// is read but that it is there; many have no spec at all.
#[derive(Resource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[resource(inherit = "KuadrantDefinition")]
pub struct Kuadrant {
    /// The object's metadata.
    pub metadata: ObjectMeta,
}

/// The names of the Kuadrant kind.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "kuadrant.io",
    version = "v1beta1",
    kind = "Kuadrant",
    plural = "kuadrants",
    namespaced,
    schema = "disabled",
    root = "KuadrantDefinition"
)]
pub struct KuadrantSpec {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kuadrant_without_a_spec_is_a_kuadrant() {
        let object = serde_json::json!({
            "apiVersion": "kuadrant.io/v1beta1", "kind": "Kuadrant",
            "metadata": {"name": "kuadrant", "namespace": "kuadrant-system"},
        });
        let kuadrant: Kuadrant = serde_json::from_value(object).unwrap();
        assert_eq!(
            kuadrant.metadata.namespace.as_deref(),
            Some("kuadrant-system")
        );
        assert_eq!(Kuadrant::plural(&()), "kuadrants");
    }
}
