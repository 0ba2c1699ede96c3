//! What does an owner see of a key? `APIKeyRequest`: its shadow in the
//! product's namespace, without credentials. The controller writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::KeyId;
use crate::key::RequestedBy;
use crate::name::annotation;

/// APIKeyRequest shows an APIKey to the owner of the product it asks for.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "devportal.kuadrant.io",
    version = "v1alpha1",
    kind = "APIKeyRequest",
    plural = "apikeyrequests",
    singular = "apikeyrequest",
    namespaced,
    derive = "PartialEq",
    status = "APIKeyRequestStatus",
    printcolumn = r#"{"name":"Approved","type":"string","jsonPath":".status.conditions[?(@.type==\"Approved\")].status"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.conditions[?(@.status==\"True\")].type"}"#,
    printcolumn = r#"{"name":"API","type":"string","jsonPath":".spec.apiProductRef.name"}"#,
    printcolumn = r#"{"name":"Plan","type":"string","jsonPath":".spec.planTier"}"#,
    printcolumn = r#"{"name":"User","type":"string","jsonPath":".spec.requestedBy.userId"}"#,
    printcolumn = r#"{"name":"Use case","type":"string","jsonPath":".spec.useCase","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct APIKeyRequestSpec {
    /// The product, in the request's own namespace.
    pub api_product_ref: LocalApiProductRef,
    /// The tier that the consumer requests.
    pub plan_tier: String,
    /// What the key is for; may be empty.
    pub use_case: String,
    /// Who requests the key.
    pub requested_by: RequestedBy,
    /// The APIKey this request shadows.
    pub api_key_ref: ApiKeyRef,
    /// When the key should stop working; absent: never.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
}

/// Names an APIProduct in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalApiProductRef {
    /// The product's name.
    pub name: String,
}

/// Names an APIKey.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiKeyRef {
    /// The key's name.
    pub name: String,
    /// The key's namespace.
    pub namespace: String,
    /// The key's UID: a key recreated under the same name is another key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// The state of the request: the conditions of its APIKey, and what an approval may name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct APIKeyRequestStatus {
    /// What is asked for, as a hash over key, product, tier, requester and expiry. An approval
    /// that names it in `spec.terms` approves this and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<String>,
    /// The conditions of the APIKey, copied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl APIKeyRequest {
    /// The UID of the key this request was made for: in the spec, or in an annotation,
    /// which a definition without that field keeps.
    pub fn key_uid(&self) -> Option<&str> {
        let noted = self.metadata.annotations.as_ref();
        let noted = noted.and_then(|it| it.get(annotation::KEY_UID));
        let uid = self.spec.api_key_ref.uid.as_ref().or(noted);
        uid.map(String::as_str)
    }

    /// What is asked for, in one word: `sha256:` and 64 hexadecimal digits over key, product,
    /// tier, requester and expiry. It is the same when the objects are made anew, as after a
    /// restore.
    pub fn terms(&self) -> String {
        let spec = &self.spec;
        let terms = serde_json::json!([
            self.metadata.namespace,
            spec.api_product_ref.name,
            spec.plan_tier,
            spec.requested_by.user_id,
            spec.requested_by.email,
            spec.expires_at.as_ref().map(|it| it.0.to_string()),
            self.spec.api_key_ref.namespace,
            self.spec.api_key_ref.name,
        ]);
        format!("sha256:{}", hex::encode(Sha256::digest(terms.to_string())))
    }

    /// The key this request shadows.
    pub fn key_id(&self) -> KeyId {
        KeyId::new(
            &self.spec.api_key_ref.namespace,
            &self.spec.api_key_ref.name,
        )
    }
}
