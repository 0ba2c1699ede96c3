//! What is known to exist? A list of the API server is held against it: whatever it
//! does not show has ended.

use std::collections::HashMap;
use std::fmt;

use devportal_api::id::{
    ApprovalId, KeyId, KuadrantId, PolicyId, ProductId, RequestId, RouteId, SecretId,
};

use super::World;
use super::store::Versioned;
use crate::change::Change;

/// What is listed together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each says the kind it is named after")]
pub enum Listed {
    APIProduct,
    APIKey,
    APIKeyRequest,
    APIKeyApproval,
    HTTPRoute,
    AuthPolicy,
    PlanPolicy,
    Kuadrant,
    /// The Secrets with the enforcement label in a namespace.
    EnforcementSecrets(String),
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EnforcementSecrets(namespace) => {
                write!(f, "enforcement Secrets in {namespace}")
            }
            kind => write!(f, "{kind:?}"),
        }
    }
}

/// By namespace and name, the Change that tells of the end of what has the name.
pub type Roll = HashMap<(String, String), Change>;

impl World {
    /// Everything of a kind that is known to exist.
    pub fn roll(&self, of: &Listed) -> Roll {
        macro_rules! roll {
            ($objects:expr, $id:ident, $change:ident) => {
                $objects
                    .map(|(id, object)| {
                        let absence = Change::$change($id::new(&id.namespace, &id.name), None);
                        let end = Change::Ended(object.uid().to_owned(), Box::new(absence));
                        ((id.namespace.clone(), id.name.clone()), end)
                    })
                    .collect()
            };
        }
        match of {
            Listed::APIProduct => roll!(self.products.iter(), ProductId, Product),
            Listed::APIKey => roll!(self.keys.iter(), KeyId, Key),
            Listed::APIKeyRequest => roll!(self.requests.iter(), RequestId, Request),
            Listed::APIKeyApproval => roll!(self.approvals.iter(), ApprovalId, Approval),
            Listed::HTTPRoute => roll!(self.routes.iter(), RouteId, Route),
            Listed::AuthPolicy => roll!(self.auth_policies.iter(), PolicyId, AuthPolicy),
            Listed::PlanPolicy => roll!(self.plan_policies.iter(), PolicyId, PlanPolicy),
            Listed::Kuadrant => roll!(self.kuadrants.iter(), KuadrantId, Kuadrant),
            Listed::EnforcementSecrets(namespace) => {
                let there = self.enforcement.iter();
                let there = there.filter(|(id, _)| id.namespace == *namespace);
                roll!(there, SecretId, EnforcementSecret)
            }
        }
    }
}
