//! What does a developer ask for, and what did they get? `APIKey`.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{KeyId, ProductId, SecretId};
use crate::name;
use crate::scheme::{AuthScheme, Limits};

/// APIKey asks for access to an APIProduct.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "devportal.kuadrant.io",
    version = "v1alpha1",
    kind = "APIKey",
    plural = "apikeys",
    singular = "apikey",
    shortname = "apik",
    namespaced,
    derive = "PartialEq",
    status = "APIKeyStatus",
    printcolumn = r#"{"name":"Approved","type":"string","jsonPath":".status.conditions[?(@.type==\"Approved\")].status"}"#,
    printcolumn = r#"{"name":"API","type":"string","jsonPath":".spec.apiProductRef.name"}"#,
    printcolumn = r#"{"name":"Plan","type":"string","jsonPath":".spec.planTier"}"#,
    printcolumn = r#"{"name":"User","type":"string","jsonPath":".spec.requestedBy.userId"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".status.conditions[?(@.status==\"True\")].type"}"#,
    printcolumn = r#"{"name":"Phase","type":"string","jsonPath":".status.phase","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = Rule::new("!has(self.delivery) || self.delivery != 'Once' || !has(self.secretRef) || !has(self.secretRef.name) || self.secretRef.name == ''").message("A key that is shown once is generated: leave secretRef out, or delivery"),
    validation = Rule::new("(has(self.delivery) ? self.delivery : 'Secret') == (has(oldSelf.delivery) ? oldSelf.delivery : 'Secret')").message("How a key is delivered cannot be changed: ask for another key")
)]
#[serde(rename_all = "camelCase")]
pub struct APIKeySpec {
    /// The product to get access to.
    pub api_product_ref: ApiProductRef,
    /// A Secret that the consumer made in the key's namespace, whose `api_key`
    /// entry is the key. If it is absent or its name is empty, the controller
    /// generates the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// How a generated key reaches the consumer; absent: `Secret`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,
    /// The requested tier, which names a plan.
    pub plan_tier: String,
    /// What the key is for; whoever approves reads this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub use_case: Option<String>,
    /// Who requests the key.
    pub requested_by: RequestedBy,
    /// When the key stops working; absent: never.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
    /// Replaces the value of a generated key; both values work for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
}

/// How a generated key reaches the consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Delivery {
    /// In a Secret in the key's namespace.
    #[default]
    Secret,
    /// A portal shows it, once. Only the gateway's Secret holds its value.
    Once,
}

/// Replaces the value of a generated key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rotation {
    /// The revision of the key's value. A different number makes a new value.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub revision: i64,
    /// How long the previous value keeps working, for example `2h`, `30m` or
    /// `0s`; absent: two hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"))]
    pub overlap: Option<String>,
}

impl Rotation {
    /// How long the value before goes on working: the sum of what is said, in whatever order.
    /// What is no duration, which the API server refuses, counts as absent.
    pub fn overlap(&self) -> SignedDuration {
        let text = self.overlap.as_deref();
        text.and_then(sum_of).unwrap_or(DEFAULT_OVERLAP)
    }
}

/// A duration of the Gateway API (GEP-2257), where units may also come twice and in any order,
/// as the pattern of the field lets them.
fn sum_of(text: &str) -> Option<SignedDuration> {
    let mut rest = text;
    let mut sum = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|it: char| !it.is_ascii_digit())?;
        let (count, after) = rest.split_at(digits);
        let count: i64 = count.parse().ok()?;
        let unit = after
            .find(|it: char| it.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        let each = match unit {
            "h" => SignedDuration::from_secs(count.checked_mul(3_600)?),
            "m" => SignedDuration::from_secs(count.checked_mul(60)?),
            "s" => SignedDuration::from_secs(count),
            "ms" => SignedDuration::from_millis(count),
            _ => return None,
        };
        sum = sum.checked_add(each)?;
        rest = after;
    }
    (!text.is_empty()).then_some(sum)
}

const DEFAULT_OVERLAP: SignedDuration = SignedDuration::from_hours(2);

/// Names an APIProduct from an APIKey.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ApiProductRef {
    /// The product's name.
    pub name: String,
    /// The product's namespace; absent or empty: the APIKey's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Names a Secret in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretRef {
    /// The Secret's name; empty means none.
    #[serde(default)]
    pub name: String,
}

/// The person or program that requests a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RequestedBy {
    /// The requester's id in the organisation.
    pub user_id: String,
    /// Where to reach the requester.
    #[schemars(regex(pattern = EMAIL))]
    pub email: String,
}

/// The e-mail addresses that an APIKey may have, as a regular expression.
pub const EMAIL: &str = r"^[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}$";

/// The state of the key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIKeyStatus {
    /// The generation of the spec this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The first hostname of the product's route.
    #[serde(
        default,
        rename = "apiHostname",
        skip_serializing_if = "Option::is_none"
    )]
    pub api_hostname: Option<String>,
    /// What the approved tier allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// How to present the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_scheme: Option<AuthScheme>,
    /// Exactly one lifecycle condition (`Pending`, `Approved`, `Denied`, `Expired` or `Failed`);
    /// `Enforced` once the key was approved; and `ChangeApproved`, `ValueGuessable`, `Recorded` and
    /// `AutomaticApproval` where there is something to report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The lifecycle in one word, as in version 0.1 of this API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Who decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reviewed_by: Option<String>,
    /// When the decision was made.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub reviewed_at: Option<Time>,
    /// Where the consumer finds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// False once a portal has shown the key. Portals set it to false, and the controller
    /// sets it back when a key with `delivery: Once` gets a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = true))]
    pub can_read_secret: Option<bool>,
    /// What the decision covers; the key keeps these terms until a changed spec is
    /// approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_terms: Option<ApprovedTerms>,
    /// Set when the product stops accepting keys. The credentials are kept until then,
    /// in case its AuthPolicy is only being replaced.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub grace_until: Option<Time>,
    /// The credentials that open the API now: one, or several during a rotation.
    /// None while there is no Kuadrant to enforce them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<LiveCredential>,
}

/// A credential that the gateway accepts. Its value is in no status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiveCredential {
    /// The name of its enforcement Secret.
    pub id: String,
    /// The revision it was made for.
    pub revision: i64,
    /// When that Secret was made: with the value or, where the key's terms changed since, later.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub created_at: Option<Time>,
    /// SHA-256 of a generated value, by which a portal knows which value it has shown. It
    /// does not reveal the value, which is 256 random bits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// When it stops working because a newer one replaced it.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub ends_at: Option<Time>,
}

/// The lifecycle in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Nobody has decided, or something is missing.
    Pending,
    /// The newest decision is an approval.
    Approved,
    /// The request was denied, or the key has expired.
    Rejected,
}

/// An entry of a Secret in the key's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// The Secret's name.
    pub name: String,
    /// The entry's name.
    pub key: String,
}

/// What an approval covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovedTerms {
    /// The product, with its namespace.
    pub api_product_ref: ApiProductRef,
    /// The tier.
    pub plan_tier: String,
    /// Who asked.
    pub requested_by: RequestedBy,
    /// Until when the key may work.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
    /// The approval that covers these terms: its UID and generation, as
    /// `uid/generation`.
    pub approval: String,
    /// What was requested, if something else was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<AskedTerms>,
}

/// What was requested, if an approval grants something else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedTerms {
    /// The tier.
    pub plan_tier: String,
    /// The expiry.
    #[serde(
        default,
        deserialize_with = "crate::time::find_nearest",
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_at: Option<Time>,
}

impl ApprovedTerms {
    /// The product that was approved.
    pub fn product_id(&self) -> ProductId {
        let reference = &self.api_product_ref;
        ProductId::new(
            reference.namespace.clone().unwrap_or_default(),
            &reference.name,
        )
    }
}

impl APIKey {
    /// The product whose API this key opens, or is to open: it stays that of the approved terms
    /// while another one is asked for.
    pub fn opened_product_id(&self) -> ProductId {
        let status = self.status.as_ref();
        let approved = status.and_then(|it| it.approved_terms.as_ref());
        approved.map_or_else(|| self.product_id(), ApprovedTerms::product_id)
    }

    /// The product this key asks for.
    pub fn product_id(&self) -> ProductId {
        let reference = &self.spec.api_product_ref;
        let namespace = reference.namespace.clone().filter(|ns| !ns.is_empty());
        ProductId::new(
            namespace.unwrap_or_else(|| self.namespace().unwrap_or_default()),
            &reference.name,
        )
    }

    /// Whether the controller generates the key, rather than the consumer
    /// bringing one.
    pub fn is_generated(&self) -> bool {
        self.spec
            .secret_ref
            .as_ref()
            .is_none_or(|secret| secret.name.is_empty())
    }

    /// Whether the key's value is in no Secret but the gateway's.
    pub fn is_shown_once(&self) -> bool {
        self.spec.delivery == Some(Delivery::Once) && self.is_generated()
    }

    /// Which value a generated key is to have.
    pub fn revision(&self) -> i64 {
        self.spec.rotation.as_ref().map_or(0, |it| it.revision)
    }

    /// The Secret in the key's namespace that holds the key's value: the
    /// consumer's own, or the one the controller makes.
    pub fn source_secret(&self) -> SecretId {
        let id = KeyId::of(self);
        match &self.spec.secret_ref {
            Some(secret) if !secret.name.is_empty() => SecretId::new(id.namespace, &secret.name),
            _ => name::generated_source(&id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_opens_what_was_approved_whatever_else_it_asks_for() {
        let approved = serde_json::json!({
            "apiProductRef": {"name": "games", "namespace": "owner"}, "planTier": "gold",
            "requestedBy": {"userId": "alice", "email": "alice@example.com"}, "approval": "uid/1",
        });
        let key = |status: serde_json::Value| -> APIKey {
            serde_json::from_value(serde_json::json!({
                "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
                "metadata": {"name": "mine", "namespace": "consumer"},
                "spec": {"apiProductRef": {"name": "maps", "namespace": "other"}, "planTier": "gold",
                    "requestedBy": {"userId": "alice", "email": "alice@example.com"}},
                "status": status,
            }))
            .unwrap()
        };
        let opened = |status| key(status).opened_product_id().to_string();
        assert_eq!(opened(serde_json::json!({})), "other/maps");
        assert_eq!(
            opened(serde_json::json!({"approvedTerms": approved})),
            "owner/games"
        );
    }

    #[test]
    fn an_overlap_is_the_sum_of_what_is_said() {
        let overlap = |text: &str| {
            let rotation = Rotation {
                revision: 1,
                overlap: Some(text.to_owned()),
            };
            rotation.overlap()
        };
        for (text, seconds) in [
            ("0s", 0),
            ("30m", 1_800),
            ("1h30m", 5_400),
            // What the API server takes as well.
            ("0m0h", 0),
            ("30s1m", 90),
            ("5m5m", 600),
            ("1500ms", 1),
        ] {
            assert_eq!(overlap(text).as_secs(), seconds, "{text}");
        }
        for text in [
            "",
            "soon",
            "5",
            "5d",
            "9999999999999999h",
            "99999999999999999999h",
        ] {
            assert_eq!(overlap(text), DEFAULT_OVERLAP, "{text}");
        }
    }
}
