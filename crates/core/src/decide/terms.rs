//! What does an approval cover? Product, tier, requester and the latest expiry.
//!
//! The terms are recorded in the approval's status when it is first seen, and nothing
//! changes them after: neither a later decision that is taken back, nor what is asked
//! for meanwhile. A spec that asks for more than they cover waits for a new decision,
//! and the key goes on under the old terms meanwhile.

use devportal_api::id::{ApprovalId, ProductId, RequestId};
use devportal_api::key::{ApiProductRef, ApprovedTerms};
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use super::ruling;
use crate::world::World;

/// The terms a key is under.
pub(super) struct Terms {
    /// Product, tier, requester and expiry that hold now.
    pub(super) in_force: ApprovedTerms,
    /// What was approved; `None` before any approval.
    pub(super) approved: Option<ApprovedTerms>,
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
            approved: None,
            exceeded: false,
        };
    };
    let asked = asked(key, ruling::mark(approval));
    let bound = covered(approval, request, Some(key));
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
        approved: Some(bound),
        exceeded,
    }
}

/// What an approval covers: what was recorded of it, or else what whoever decided had
/// before them. The spec may have moved on since. Earlier versions recorded it on the key
/// only.
pub(super) fn covered(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    key: Option<&APIKey>,
) -> ApprovedTerms {
    let mark = ruling::mark(approval);
    let on_key = key
        .and_then(|key| key.status.as_ref()?.approved_terms.as_ref())
        .filter(|terms| terms.approval == mark);
    let recorded = recorded(approval).or(on_key).cloned();
    recorded.unwrap_or_else(|| shown(request, mark))
}

/// The terms that were recorded in an approval's status, for the decision as it is now.
pub(super) fn recorded(approval: &APIKeyApproval) -> Option<&ApprovedTerms> {
    let terms = approval.status.as_ref()?.terms.as_ref()?;
    (terms.approval == ruling::mark(approval)).then_some(terms)
}

/// Whether an approval is there that is yet to be tied to the request, or whose
/// terms are yet to be recorded: until then the request stays as whoever decided saw it.
pub(super) fn is_awaited(request: &APIKeyRequest, world: &World) -> bool {
    let may_be_recorded = world.keeps::<APIKeyApproval>("status.terms");
    world
        .approvals_of(&RequestId::of(request))
        .filter(|approval| approval.meta().deletion_timestamp.is_none())
        .filter(|approval| approval.spec.approved)
        .any(|approval| {
            let is_recorded = recorded(approval).is_some() || !may_be_recorded;
            ruling::owning_request(approval).is_none() || !is_recorded
        })
}

/// Whether what an approval covers cannot be read: it is not to be recorded anew.
pub(super) fn is_unreadable(id: &ApprovalId, world: &World) -> bool {
    let flaw = world.approvals().flaw(id);
    flaw.is_some_and(|it| !it.has_spec() || it.has_hole("status.terms"))
}

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
        asked: None,
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
        asked: None,
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
fn covers(approved: &ApprovedTerms, asked: &ApprovedTerms) -> bool {
    let expiry = match (&approved.expires_at, &asked.expires_at) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(bound), Some(asked)) => asked.0 <= bound.0,
    };
    expiry
        && approved.api_product_ref == asked.api_product_ref
        && approved.plan_tier == asked.plan_tier
        && approved.requested_by == asked.requested_by
}
