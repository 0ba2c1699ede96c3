//! What did an owner decide? `APIKeyApproval`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::condition::{kind, whole_second};
use crate::id::RequestId;
use crate::key::ApprovedTerms;

/// APIKeyApproval approves or denies an APIKeyRequest in the same namespace.
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
    /// The request that is decided on.
    pub api_key_request_ref: ApiKeyRequestRef,
    /// True approves, false denies.
    pub approved: bool,
    /// Who decided.
    pub reviewed_by: String,
    /// When the decision was made. Of several decisions about a request the newest counts,
    /// in whole seconds; in the same second, the one that was created last, and then a
    /// denial. A time later than the decision itself counts as the time of the decision. An
    /// automatic approval does not count beside a denial.
    #[serde(deserialize_with = "crate::time::nearest")]
    pub reviewed_at: Time,
    /// Why, in one word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why, for the requester to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Grants a tier other than the requested one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_tier: Option<String>,
    /// Grants an end earlier than requested.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
    /// A hash of the terms that the reviewer was shown, `sha256:` and 64 hexadecimal digits,
    /// as portals show it with a request: an approval counts for these terms only. Absent:
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
    /// What an approval covers: what the request asked for when the approval was made.
    /// It does not cover anything else that the request asks for later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<ApprovedTerms>,
    /// What the approval decided when its status was written, as a hash of the spec without
    /// `reason` and `message`. What the status says of the decision holds while this is what it
    /// decides: whoever mends the words decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// What a denial denies: what was requested, and what was approved until then, when the
    /// denial was first seen and each time it was made again. With the condition `Stands` it
    /// stays in force whatever happens to the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denies: Vec<Denied>,
    /// From when an edited decision that is dated ahead counts: when the edit was seen.
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
    /// The APIProduct, in the denial's own namespace.
    pub api_product: String,
    /// The requester, as in `spec.requestedBy.userId`.
    pub user_id: String,
    /// The request that the denial named when the controller last looked at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The denial's `reviewedAt` then, in whole seconds; a different one is a new decision.
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

impl APIKeyApprovalSpec {
    /// The tier it grants, where that is not the one that is asked for: clients that write empty
    /// text mean none.
    pub fn granted_tier(&self) -> Option<&str> {
        self.plan_tier.as_deref().filter(|it| !it.is_empty())
    }
}

impl APIKeyApproval {
    /// What this decides, in one word of 16 hexadecimal digits: a hash over all of the spec but its
    /// words, `reason` and `message`. Who mends those decides nothing. Times count in whole seconds,
    /// which is how they are kept.
    pub fn decides(&self) -> String {
        let spec = &self.spec;
        let decided = serde_json::json!([
            spec.api_key_request_ref.name,
            spec.approved,
            spec.reviewed_by,
            whole_second(spec.reviewed_at.0).to_string(),
            spec.plan_tier,
            spec.expires_at
                .as_ref()
                .map(|it| whole_second(it.0).to_string()),
            spec.terms,
        ]);
        let hash = Sha256::digest(decided.to_string());
        hex::encode(&hash[..8])
    }

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
