//! What can happen? A [`Change`] is one object as last seen, or its absence.
//!
//! Watches, answers to our own writes, document fetches and timers all reach
//! the [`World`](crate::World) as Changes; nothing else does.

use std::collections::BTreeMap;
use std::sync::Arc;

use devportal_api::condition::OpenApiState;
use devportal_api::foreign::{AuthPolicy, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use jiff::Timestamp;

/// One observation. `None` means: the object does not exist.
///
/// Observations of one object may be repeated and may arrive late: the World
/// compares resource versions and ignores what is older than what it knows.
#[derive(Clone, Debug)]
pub enum Change {
    /// An APIProduct.
    Product(ProductId, Option<Arc<APIProduct>>),
    /// An APIKey.
    Key(KeyId, Option<Arc<APIKey>>),
    /// An APIKeyRequest.
    Request(RequestId, Option<Arc<APIKeyRequest>>),
    /// An APIKeyApproval.
    Approval(ApprovalId, Option<Arc<APIKeyApproval>>),
    /// An HTTPRoute.
    Route(RouteId, Option<Arc<HTTPRoute>>),
    /// An AuthPolicy.
    AuthPolicy(PolicyId, Option<Arc<AuthPolicy>>),
    /// A PlanPolicy.
    PlanPolicy(PolicyId, Option<Arc<PlanPolicy>>),
    /// A Kuadrant custom resource.
    Kuadrant(KuadrantId, Option<Arc<Kuadrant>>),
    /// A Secret with the enforcement label.
    EnforcementSecret(SecretId, Option<SecretFacts>),
    /// A Secret that a decision asked for with [`Need::Secret`].
    SourceSecret(SecretId, Option<SecretFacts>),
    /// A Secret that a decision asked for may not be read: a right is missing.
    SourceForbidden(SecretId),
    /// An object ended: its UID, and the absence that follows unless another
    /// object has taken the name. The end of a predecessor may be told after an
    /// answer told of its successor.
    Ended(String, Box<Change>),
    /// A Secret for a key could not be created, and why.
    Hindered(SecretId, Obstacle, KeyId, Timestamp),
    /// The answer to [`Need::OpenApi`].
    OpenApi(String, OpenApiAnswer),
    /// The answer to [`Need::Oidc`], by issuer URL as the AuthPolicy spells it:
    /// the token endpoint, or what went wrong in words safe to publish.
    Oidc(String, Result<String, String>),
}

/// What keeps a Secret from being created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Another object has the name.
    NameTaken,
    /// The API server refuses it, for this reason (one CamelCase word).
    Refused(String),
}

/// What the World knows of a Secret: everything but the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretFacts {
    /// The object's UID.
    pub uid: String,
    /// The object's resource version.
    pub resource_version: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All annotations.
    pub annotations: BTreeMap<String, String>,
    /// The UID of the controlling owner, if any.
    pub owner_uid: Option<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What the `api_key` entry holds.
    pub value: ValueFacts,
}

/// What is known of a key's value without knowing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueFacts {
    /// The Secret has no `api_key` entry.
    NoEntry,
    /// The entry is there and empty.
    Empty,
    /// The entry holds a value.
    Value {
        /// Tells equal values from different ones; made with a salt that lives
        /// as long as the process, so that it means nothing elsewhere.
        fingerprint: Fingerprint,
        /// Whether the value matches the Secret's digest annotation; `None`
        /// when there is no such annotation (a brought key).
        intact: Option<bool>,
    },
}

/// A salted digest of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// What came of fetching an OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiAnswer {
    /// Fetched, or how it failed.
    pub state: OpenApiState,
    /// The newest text that was ever read from the address, kept on failure.
    pub text: Option<Arc<str>>,
    /// The size limit in bytes that was in force.
    pub cap: u64,
    /// When the text was first read.
    pub synced_at: Timestamp,
}
