//! What does an approval cover? Product, tier, requester and the latest expiry.
//!
//! The terms are recorded in the approval's status when it is first seen, and nothing
//! changes them after: neither a later decision that is taken back, nor what is asked
//! for meanwhile. A spec that asks for more than they cover waits for a new decision,
//! and the key goes on under the old terms meanwhile. So it does where less was granted
//! than asked for, and there nothing waits: whoever decided knew what was asked.

use devportal_api::id::{ApprovalId, ProductId, RequestId};
use devportal_api::key::{ApiProductRef, ApprovedTerms, AskedTerms};
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
        self.in_force.product_id()
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
    let exceeded = !covers(&bound, &asked) && !was_answered(&bound, &asked);
    Terms {
        in_force: ApprovedTerms {
            expires_at: earlier(bound.expires_at.clone(), asked.expires_at),
            ..bound.clone()
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
    match recorded(approval).or(on_key) {
        Some(terms) => ApprovedTerms {
            approval: mark,
            ..terms.clone()
        },
        None => granted(approval, request),
    }
}

/// The terms that were recorded in an approval's status, for the decision as it is now: in this
/// version of it, or in one that differs in its words only. Earlier versions did not note which
/// decision it was.
pub(super) fn recorded(approval: &APIKeyApproval) -> Option<&ApprovedTerms> {
    let status = approval.status.as_ref()?;
    let terms = status.terms.as_ref()?;
    let is_same = || {
        let (uid, _) = terms.approval.split_once('/').unwrap_or_default();
        let is_its = approval.meta().uid.as_deref() == Some(uid);
        is_its
            && status
                .decision
                .as_ref()
                .is_some_and(|it| *it == approval.decides())
    };
    (terms.approval == ruling::mark(approval) || is_same()).then_some(terms)
}

/// Whether two terms are the same, whichever version of an approval they note.
pub(super) fn are_alike(one: &ApprovedTerms, other: &ApprovedTerms) -> bool {
    let approval = other.approval.clone();
    *other
        == ApprovedTerms {
            approval,
            ..one.clone()
        }
}

/// Whether terms are those of whoever asks by this request, for its product.
pub(super) fn are_of(terms: &ApprovedTerms, request: &APIKeyRequest) -> bool {
    terms.requested_by.user_id == request.spec.requested_by.user_id
        && terms.api_product_ref.name == request.spec.api_product_ref.name
}

/// The approvals that are yet to be tied to the request, or whose terms are yet to be recorded:
/// until then the request stays as whoever decided saw it.
pub(super) fn awaited<'a>(request: &APIKeyRequest, world: &'a World) -> Vec<&'a APIKeyApproval> {
    let may_be_recorded = world.keeps::<APIKeyApproval>("status.terms");
    let id = RequestId::of(request);
    world
        .approvals_of(&id)
        .filter(|approval| approval.meta().deletion_timestamp.is_none())
        .filter(|approval| approval.spec.approved)
        .filter(|approval| ruling::objection(approval, request, world).is_none())
        .filter(|approval| {
            let is_recorded = recorded(approval).is_some() || !may_be_recorded;
            ruling::owning_request(approval).is_none() || !is_recorded
        })
        .collect()
}

/// Whether it is yet to be noted what restored approvals of a request cover: until then the
/// request stays, which is all that tells.
pub(super) fn is_to_be_noted(request: &APIKeyRequest, world: &World) -> bool {
    let may_be_recorded = world.keeps::<APIKeyApproval>("status.terms");
    let id = RequestId::of(request);
    let mut approvals = world.approvals_of(&id);
    may_be_recorded
        && !ruling::is_of_living_key(request, world)
        && approvals.any(|approval| {
            recorded(approval).is_none() && ruling::is_restored(approval, request, world)
        })
}

/// Whether what an approval covers cannot be read: it is not to be recorded anew.
pub(super) fn is_unreadable(id: &ApprovalId, world: &World) -> bool {
    let flaw = world.approvals().flaw(id);
    flaw.is_some_and(|it| !it.has_spec() || it.has_hole("status.terms"))
}

/// What was asked for, as far as the approval grants it: another tier, or less time.
fn granted(approval: &APIKeyApproval, request: &APIKeyRequest) -> ApprovedTerms {
    let spec = &request.spec;
    let asked = AskedTerms {
        plan_tier: spec.plan_tier.clone(),
        expires_at: spec.expires_at.clone(),
    };
    let tier = approval.spec.granted_tier();
    let granted = AskedTerms {
        plan_tier: tier.unwrap_or(&asked.plan_tier).to_owned(),
        expires_at: earlier(asked.expires_at.clone(), approval.spec.expires_at.clone()),
    };
    ApprovedTerms {
        api_product_ref: ApiProductRef {
            name: spec.api_product_ref.name.clone(),
            namespace: request.namespace(),
        },
        plan_tier: granted.plan_tier.clone(),
        requested_by: spec.requested_by.clone(),
        expires_at: granted.expires_at.clone(),
        approval: ruling::mark(approval),
        asked: (asked != granted).then_some(asked),
    }
}

fn asked(key: &APIKey, approval: String) -> ApprovedTerms {
    let product = key.product_id();
    ApprovedTerms {
        api_product_ref: ApiProductRef {
            name: product.name.into(),
            namespace: Some(product.namespace.into()),
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

/// Whether what is asked for is what whoever decided knew of, and granted less.
fn was_answered(approved: &ApprovedTerms, asked: &ApprovedTerms) -> bool {
    approved.asked.as_ref().is_some_and(|then| {
        let then = ApprovedTerms {
            plan_tier: then.plan_tier.clone(),
            expires_at: then.expires_at.clone(),
            ..approved.clone()
        };
        covers(&then, asked)
    })
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
