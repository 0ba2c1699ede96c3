//! What does an approval cover? Product, tier, requester and the latest expiry.
//!
//! The terms are noted in the key's status when the approval is first acted on.
//! A spec that asks for more than they cover waits for a new decision, and the
//! key goes on under the old terms meanwhile.

use devportal_api::id::ProductId;
use devportal_api::key::{ApiProductRef, ApprovedTerms};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::ruling;

/// The terms a key is under.
pub(super) struct Terms {
    /// Product, tier, requester and expiry that hold now.
    pub(super) in_force: ApprovedTerms,
    /// What goes into the status; `None` before any approval.
    pub(super) noted: Option<ApprovedTerms>,
    /// They are not in the status yet.
    pub(super) is_new: bool,
    /// The spec asks for more than was approved.
    pub(super) exceeded: bool,
}

impl Terms {
    /// The product that holds now.
    pub(super) fn product_id(&self) -> ProductId {
        let reference = &self.in_force.api_product_ref;
        let namespace = reference.namespace.clone();
        ProductId::new(namespace.unwrap_or_default(), &reference.name)
    }
}

pub(super) fn of(
    key: &APIKey,
    request: Option<&APIKeyRequest>,
    ruling: Option<&APIKeyApproval>,
) -> Terms {
    let ruling = ruling.filter(|approval| approval.spec.approved);
    let (Some(request), Some(approval)) = (request, ruling) else {
        return Terms {
            in_force: asked(key, String::new()),
            noted: None,
            is_new: false,
            exceeded: false,
        };
    };
    let mark = ruling::mark(approval);
    let asked = asked(key, mark.clone());
    let status = key.status.as_ref();
    let noted = status.and_then(|status| status.approved_terms.clone());
    let noted = noted.filter(|noted| noted.approval == mark);
    let is_new = noted.is_none();
    let bound = noted.unwrap_or_else(|| shown(request, mark));
    let exceeded = !covers(&bound, &asked);
    Terms {
        in_force: if exceeded {
            let expires_at = earlier(bound.expires_at.clone(), asked.expires_at);
            ApprovedTerms {
                expires_at,
                ..bound.clone()
            }
        } else {
            asked
        },
        noted: Some(bound),
        is_new,
        exceeded,
    }
}

/// What whoever decided had before them: the spec may have moved on since.
fn shown(request: &APIKeyRequest, approval: String) -> ApprovedTerms {
    let spec = &request.spec;
    ApprovedTerms {
        api_product_ref: ApiProductRef {
            name: spec.api_product_ref.name.clone(),
            namespace: request.namespace(),
        },
        plan_tier: spec.plan_tier.clone(),
        requested_by: spec.requested_by.clone(),
        expires_at: spec.expires_at.clone(),
        approval,
    }
}

fn asked(key: &APIKey, approval: String) -> ApprovedTerms {
    let product = key.product_id();
    ApprovedTerms {
        api_product_ref: ApiProductRef {
            name: product.name,
            namespace: Some(product.namespace),
        },
        plan_tier: key.spec.plan_tier.clone(),
        requested_by: key.spec.requested_by.clone(),
        expires_at: key.spec.expires_at.clone(),
        approval,
    }
}

/// Less time is granted to whoever asks for it, whatever else they ask for.
fn earlier(a: Option<Time>, b: Option<Time>) -> Option<Time> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.0 <= b.0 { a } else { b }),
        (a, b) => a.or(b),
    }
}

/// An earlier expiry than approved is covered; a later one, or none, is not.
fn covers(noted: &ApprovedTerms, asked: &ApprovedTerms) -> bool {
    let expiry = match (&noted.expires_at, &asked.expires_at) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(asked)) => asked.0 <= bound.0,
    };
    expiry
        && noted.api_product_ref == asked.api_product_ref
        && noted.plan_tier == asked.plan_tier
        && noted.requested_by == asked.requested_by
}
