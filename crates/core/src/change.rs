//! What can happen? A [`Change`] is one observation.
//!
//! Watches, answers to our own writes, document fetches and timers all reach
//! the [`World`](crate::World) as Changes; nothing else does.

use std::sync::Arc;

use devportal_api::condition::OpenApiState;
use devportal_api::foreign::{AuthPolicy, Gateway, HTTPRoute, Kuadrant, PlanPolicy};
use devportal_api::id::{ProductId, SecretId};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest, APIProduct};
use devportal_mirror::{Credential, Digest, SecretFacts, Stray, Told};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::brake::Failure;
use crate::decision::{Group, Id};

/// Declares the kinds that decisions rest on: what a watch tells of each is a Change.
macro_rules! told {
    ($($(#[$doc:meta])* $name:ident($kind:ty),)* ; $($rest:tt)*) => {
        /// One observation.
        ///
        /// Observations of one object may be repeated and may arrive late: the World
        /// compares versions and ignores what is older than what it knows.
        #[derive(Clone, Debug)]
        pub enum Change {
            $($(#[$doc])* $name(Told<$kind>),)*
            $($rest)*
        }

        $(impl From<Told<$kind>> for Change {
            fn from(told: Told<$kind>) -> Self {
                Self::$name(told)
            }
        })*
    };
}

told! {
    /// Of an APIProduct.
    Product(APIProduct),
    /// Of an APIKey.
    Key(APIKey),
    /// Of an APIKeyRequest.
    Request(APIKeyRequest),
    /// Of an APIKeyApproval.
    Approval(APIKeyApproval),
    /// Of an HTTPRoute.
    Route(HTTPRoute),
    /// Of a Gateway.
    Gateway(Gateway),
    /// Of an AuthPolicy.
    AuthPolicy(AuthPolicy),
    /// Of a PlanPolicy.
    PlanPolicy(PlanPolicy),
    /// Of a Kuadrant custom resource.
    Kuadrant(Kuadrant),
    /// Of a Secret with the enforcement label.
    Credential(Credential),
    /// Of a Secret beside them without it.
    Stray(Stray),
    ;
    /// The answer to [`Need::Secret`](crate::Need::Secret).
    Source(SecretId, Source),
    /// Writes of a group were carried out, or one of them failed; a number from 0 to 1
    /// keeps those apart that failed together.
    Tried(Id, Group, Option<Failure>, Timestamp, f64),
    /// The API server does not keep a field, such as `status.terms`: the installed
    /// definition of this kind lacks it.
    Unkept(&'static str, String),
    /// The API server refuses a product's status for the document of this digest, in these
    /// words: without it, it would take it.
    Unshown(ProductId, String, String),
    /// The answer to [`Need::OpenApi`](crate::Need::OpenApi).
    OpenApi(String, OpenApiAnswer),
    /// The answer to [`Need::Oidc`](crate::Need::Oidc), by issuer URL as the AuthPolicy spells it.
    Oidc(String, OidcAnswer),
}

impl Change {
    /// What the API server answers to a write, not what a watch shows.
    #[must_use]
    pub fn answered(self) -> Self {
        match self {
            Self::Product(it) => Self::Product(it.answered()),
            Self::Key(it) => Self::Key(it.answered()),
            Self::Request(it) => Self::Request(it.answered()),
            Self::Approval(it) => Self::Approval(it.answered()),
            Self::Credential(it) => Self::Credential(it.answered()),
            other => other,
        }
    }
}

/// What is known of a Secret that a key refers to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// It is there.
    Is(SecretFacts),
    /// It was read and is not there; or the one of this UID is gone.
    Gone(Option<String>),
    /// It may not be read: a right is missing.
    Forbidden,
}

/// What came of fetching an OpenAPI document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApiAnswer {
    /// Fetched, or how it failed.
    pub state: OpenApiState,
    /// Of the newest text that was ever read from the address, kept on failure.
    pub digest: Option<Digest>,
    /// That text, where it was not told before.
    pub text: Option<Arc<str>>,
    /// The size limit in bytes that was in force.
    pub cap: u64,
    /// When the text was first read.
    pub synced_at: Timestamp,
}

/// What came of reading an issuer's discovery document, in words safe to publish where it
/// is no token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OidcAnswer {
    /// The token endpoint.
    Endpoint(String),
    /// The token endpoint, of an issuer whose name has a slash more or less at its end.
    WithSlash {
        /// The token endpoint.
        endpoint: String,
        /// The issuer, as the document names it.
        issuer: String,
    },
    /// It was read, and names no usable token endpoint.
    NoEndpoint(String),
    /// It was not read, or is another document.
    Failed(String),
}
