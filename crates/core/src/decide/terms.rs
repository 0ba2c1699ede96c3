//! What does an approval cover? Product, tier, requester and the latest expiry.
//!
//! The terms are noted in the key's status when the approval is first acted on.
//! A spec that asks for more than they cover waits for a new decision, and the
//! key goes on under the old terms meanwhile.

use devportal_api::key::{ApiProductRef, ApprovedTerms};
use devportal_api::{APIKey, APIKeyApproval};

use super::ruling;

/// The terms a key is under.
pub(super) struct Terms {
    /// Product, tier, requester and expiry that hold now.
    pub(super) in_force: ApprovedTerms,
    /// What goes into the status; `None` before any approval.
    pub(super) noted: Option<ApprovedTerms>,
    /// The spec asks for more than was approved.
    pub(super) exceeded: bool,
}

pub(super) fn of(key: &APIKey, ruling: Option<&APIKeyApproval>) -> Terms {
    let Some(approval) = ruling.filter(|approval| approval.spec.approved) else {
        return Terms {
            in_force: asked(key, String::new()),
            noted: None,
            exceeded: false,
        };
    };
    let mark = ruling::mark(approval);
    let asked = asked(key, mark.clone());
    let noted = key
        .status
        .as_ref()
        .and_then(|status| status.approved_terms.clone());
    match noted.filter(|noted| noted.approval == mark) {
        Some(noted) if covers(&noted, &asked) => Terms {
            in_force: asked,
            noted: Some(noted),
            exceeded: false,
        },
        Some(noted) => Terms {
            in_force: noted.clone(),
            noted: Some(noted),
            exceeded: true,
        },
        None => Terms {
            in_force: asked.clone(),
            noted: Some(asked),
            exceeded: false,
        },
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
