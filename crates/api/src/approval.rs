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
    /// `Valid`: whether the decided request exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What an approval covers: what the request asked for when it was made. A
    /// request that asks for something else later is not approved by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<ApprovedTerms>,
    /// Whom a denial is about, as it was first seen: another product that the request asks
    /// for later, or another requester who has its name, is not denied by it. With the
    /// condition `Stands` it holds whatever becomes of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denies: Option<DeniedRequester>,
    /// Whom it denied so before it was edited to be about another.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied_before: Vec<DeniedRequester>,
    /// From when a decision counts that was edited and is dated ahead: when that was seen.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub counts_from: Option<Time>,
}

/// Whom a denial is about, whatever becomes of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeniedRequester {
    /// The APIProduct, of the denial's own namespace.
    pub api_product: String,
    /// The requester, as in `spec.requestedBy.userId`.
    pub user_id: String,
    /// The name of the request that was denied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

impl APIKeyApproval {
    /// Whom a denial was noted to be about, and what it keeps them from.
    pub fn denied(&self) -> Option<&DeniedRequester> {
        let denies = self.status.as_ref()?.denies.as_ref();
        denies.filter(|_| !self.spec.approved)
    }

    /// Whether it is told to be a denial that stands, whatever becomes of its request: also
    /// once it is edited to approve.
    pub fn is_standing(&self) -> bool {
        let mut conditions = self.status.iter().flat_map(|it| &it.conditions);
        conditions.any(|it| it.type_ == kind::STANDS)
    }

    /// Whom it was noted to deny before it was edited to be about another.
    pub fn denied_before(&self) -> &[DeniedRequester] {
        self.status.as_ref().map_or(&[], |it| &it.denied_before)
    }

    /// Everybody whom it keeps from what a product would approve by itself.
    pub fn kept_out(&self) -> impl Iterator<Item = &DeniedRequester> {
        let standing = self.denied().filter(|_| self.is_standing());
        standing.into_iter().chain(self.denied_before())
    }

    /// The request this approval decides: always of its own namespace.
    pub fn request_id(&self) -> RequestId {
        RequestId::new(
            self.namespace().unwrap_or_default(),
            &self.spec.api_key_request_ref.name,
        )
    }
}
