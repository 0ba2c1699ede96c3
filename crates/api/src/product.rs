//! What does an API owner offer? `APIProduct`: an HTTPRoute and what a consumer
//! needs to know about it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scheme::{DiscoveredAuthScheme, Plan};

/// APIProduct offers the API behind an HTTPRoute to consumers.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "devportal.kuadrant.io",
    version = "v1alpha1",
    kind = "APIProduct",
    plural = "apiproducts",
    singular = "apiproduct",
    namespaced,
    derive = "PartialEq",
    status = "APIProductStatus",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","priority":2,"description":"Whether the route is accepted"}"#,
    printcolumn = r#"{"name":"Route","type":"string","jsonPath":".spec.targetRef.name","priority":1}"#,
    printcolumn = r#"{"name":"Approval","type":"string","jsonPath":".spec.approvalMode","priority":1}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".spec.publishStatus","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct APIProductSpec {
    /// The name shown to people.
    pub display_name: String,
    /// What the API does, in a few sentences.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The API's version, for example `v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether access requests are approved automatically or by a person.
    #[serde(default)]
    pub approval_mode: ApprovalMode,
    /// Words for search and grouping.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The HTTPRoute that serves the API, in the product's own namespace.
    pub target_ref: TargetRef,
    /// Where the documentation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documentation: Option<Documentation>,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// Whether the product is shown in the catalog.
    #[serde(default)]
    pub publish_status: PublishStatus,
    /// Who is responsible for the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ProductOwner>,
    /// Who sees the product in portals; absent: everyone who may see its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// The name of the AuthPolicy's rule that keys are made for; absent: the rule used before,
    /// otherwise the one with the lowest priority number, then the first by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub auth_rule: Option<String>,
}

/// Who is responsible for an API, by the name that the organisation uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProductOwner {
    /// A person or a team.
    pub kind: OwnerKind,
    /// The name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A person or a team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OwnerKind {
    /// A person.
    User,
    /// A team.
    Group,
}

/// Who sees a product in portals. Kubernetes RBAC has no such rule: whoever may read
/// products in the namespace sees it with `kubectl`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Visibility {
    /// The groups whose members see it; if empty, everyone does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
}

/// Who decides about access requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalMode {
    /// The controller approves at once.
    Automatic,
    /// A person approves or denies.
    #[default]
    Manual,
}

/// Whether consumers see the product.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum PublishStatus {
    /// Hidden: the owner is still working on it.
    #[default]
    Draft,
    /// Shown in the catalog.
    Published,
}

/// A route in the product's own namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = Rule::new("self.group == 'gateway.networking.k8s.io'").message("Invalid targetRef.group. The only supported value is 'gateway.networking.k8s.io'"),
    validation = Rule::new("self.kind == 'HTTPRoute'").message("Invalid targetRef.kind. The only supported value is 'HTTPRoute'")
)]
pub struct TargetRef {
    /// Always `gateway.networking.k8s.io`.
    #[schemars(
        length(max = 253),
        regex(pattern = r"^$|^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub group: String,
    /// Always `HTTPRoute`.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
    )]
    pub kind: String,
    /// The route's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Where the documentation is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Documentation {
    /// The OpenAPI document, JSON or YAML; fetched into the status.
    #[serde(
        default,
        rename = "openAPISpecURL",
        skip_serializing_if = "Option::is_none"
    )]
    pub open_api_spec_url: Option<String>,
    /// An interactive page to try the API on.
    #[serde(default, rename = "swaggerUI", skip_serializing_if = "Option::is_none")]
    pub swagger_ui: Option<String>,
    /// Guides and explanations.
    #[serde(default, rename = "docsURL", skip_serializing_if = "Option::is_none")]
    pub docs_url: Option<String>,
    /// The source code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_repository: Option<String>,
    /// A Backstage TechDocs reference, for example `url:https://…` or `dir:.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub techdocs_ref: Option<String>,
}

/// Whom to ask about the API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contact {
    /// The team's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// An e-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A Slack channel, for example `#api-support`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<String>,
    /// A page of the team or a support portal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// What the controller found out about the product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIProductStatus {
    /// The generation of the spec this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The plans of the PlanPolicy that applies to the route, in the policy's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub discovered_plans: Vec<Plan>,
    /// The OpenAPI document as last fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub openapi: Option<OpenApiStatus>,
    /// Where OpenID Connect clients get tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_discovery: Option<OidcDiscoveryStatus>,
    /// How a consumer authenticates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovered_auth_scheme: Option<DiscoveredAuthScheme>,
    /// The name of the rule that keys are made for (ours). It stays the same while the
    /// AuthPolicy has that rule, even if others are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_rule: Option<String>,
    /// `Ready`, `PlanPolicyDiscovered`, `AuthPolicyDiscovered` and `OIDCDiscovered`;
    /// `OpenAPISpecReady` where a document is referenced; and `PlansInForce`, `AuthRuleFound`,
    /// `AcceptedEverywhere`, `PartlyOpen`, `AccessCached`, `PoliciesObserved`, `SelectorShared`, `SelectorOpen`,
    /// `UnmanagedKeys`, `Readable` and `Recorded` where there is something to report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// A fetched OpenAPI document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OpenApiStatus {
    /// The document's text.
    pub raw: String,
    /// Where it was fetched from (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// When the text last changed.
    pub last_sync_time: Time,
    /// The size limit in bytes that was in force when it was fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size_used: Option<i64>,
}

/// What a consumer needs from the issuer's discovery document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OidcDiscoveryStatus {
    /// The issuer's `token_endpoint`.
    pub token_endpoint: String,
    /// The issuer whose endpoint it is (ours).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
}
