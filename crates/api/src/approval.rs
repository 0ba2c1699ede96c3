//! What did an owner decide? `APIKeyApproval`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::kind;
use crate::id::RequestId;
use crate::key::ApprovedTerms;

/// APIKeyApproval approves or denies an APIKeyRequest of the same namespace.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "devportal.kuadrant.io",
    version = "v1alpha1",
    kind = "APIKeyApproval",
    plural = "apikeyapprovals",
    singular = "apikeyapproval",
    namespaced,
    derive = "PartialEq",
    status = "APIKeyApprovalStatus",
    printcolumn = r#"{"name":"Request","type":"string","jsonPath":".spec.apiKeyRequestRef.name"}"#,
    printcolumn = r#"{"name":"Approved","type":"boolean","jsonPath":".spec.approved"}"#,
    printcolumn = r#"{"name":"Reviewer","type":"string","jsonPath":".spec.reviewedBy"}"#,
    printcolumn = r#"{"name":"Valid","type":"string","jsonPath":".status.conditions[?(@.type==\"Valid\")].status","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct APIKeyApprovalSpec {
    /// The request that is decided.
    pub api_key_request_ref: ApiKeyRequestRef,
    /// True approves, false denies.
    pub approved: bool,
    /// Who decided.
    pub reviewed_by: String,
    /// When. Of several decisions about a request the one with the newest `reviewedAt`
    /// counts, in whole seconds; of those of one second the one that was created last, and
    /// of those a denial. A time later than the decision was made is taken for that. Beside a
    /// denial an automatic approval does not count.
    #[serde(deserialize_with = "crate::time::nearest")]
    pub reviewed_at: Time,
    /// Why, in one word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for the requester to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Another tier than the request asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_tier: Option<String>,
    /// An earlier end than the request asks for.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
    /// The terms that whoever decided was shown, `sha256:` and 64 hexadecimal digits, as
    /// portals tell them of a request: an approval counts for these and no others. Absent:
    /// for those that the request had when the controller saw the approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
}

/// Names an APIKeyRequest in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyRequestRef {
    /// The request's name.
    pub name: String,
}

/// Whether the decision counts, and what for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIKeyApprovalStatus {
    /// The generation of the spec this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Valid`: whether the decision counts; `Overruled` and `Stands` where they apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What an approval covers: what the request asked for when it was made. A
    /// request that asks for something else later is not approved by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<ApprovedTerms>,
    /// What a denial denies, as it was first seen and as it was taken anew: what was asked for,
    /// and what was approved until then. With the condition `Stands` it holds whatever becomes of
    /// the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denies: Vec<Denied>,
    /// From when a decision counts that was edited and is dated ahead: when that was seen.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub counts_from: Option<Time>,
}

/// What is denied, and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Denied {
    /// The APIProduct, of the denial's own namespace.
    pub api_product: String,
    /// The requester, as in `spec.requestedBy.userId`.
    pub user_id: String,
    /// The request that the denial named when it was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The `reviewedAt` that it had then, in whole seconds: with another it is taken anew.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub reviewed_at: Option<Time>,
}

impl Denied {
    /// Whether it is this product that is denied, and to this requester.
    pub fn is_of(&self, api_product: &str, user_id: &str) -> bool {
        self.api_product == api_product && self.user_id == user_id
    }
}

impl APIKeyApproval {
    /// What it is noted to deny, also once it is edited to approve.
    pub fn denied(&self) -> &[Denied] {
        self.status.as_ref().map_or(&[], |it| &it.denies)
    }

    /// Whether it is told to be a denial that stands, whatever becomes of its request.
    pub fn is_standing(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|it| &it.conditions);
        conditions.any(|it| it.type_ == kind::STANDS)
    }

    /// What it keeps a product from approving by itself, and for whom.
    pub fn kept_out(&self) -> &[Denied] {
        if self.is_standing() {
            self.denied()
        } else {
            &[]
        }
    }

    /// The request this approval decides: always of its own namespace.
    pub fn request_id(&self) -> RequestId {
        RequestId::new(
            self.namespace().unwrap_or_default(),
            &self.spec.api_key_request_ref.name,
        )
    }
}
