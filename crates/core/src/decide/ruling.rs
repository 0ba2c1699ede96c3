//! Of all decisions about a request, which one counts?
//!
//! The newest `reviewedAt` decides, then the newest creation, and a denial wins
//! a tie.

use devportal_api::condition::{Review, whole_second};
use devportal_api::id::{ApprovalId, RequestId};
use devportal_api::{APIKeyApproval, APIKeyRequest};
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::{after, terms};
use crate::decision::Owner;
use crate::world::World;

/// The decision that counts about a request.
pub(super) fn find<'a>(request: &APIKeyRequest, world: &'a World) -> Option<&'a APIKeyApproval> {
    let id = RequestId::of(request);
    world
        .approvals_of(&id)
        .filter(|approval| counts(approval, request))
        .max_by_key(|approval| {
            let created = approval.meta().creation_timestamp.as_ref().map(|at| at.0);
            (
                approval.spec.reviewed_at.0,
                created,
                !approval.spec.approved,
                approval.name_any(),
            )
        })
}

/// Whether an approval is there that is yet to be tied to the request, or whose
/// terms are yet to be noted: until then the request stays as whoever decided saw it.
pub(super) fn is_awaited(request: &APIKeyRequest, world: &World) -> bool {
    world
        .approvals_of(&RequestId::of(request))
        .filter(|approval| approval.meta().deletion_timestamp.is_none())
        .filter(|approval| approval.spec.approved)
        .any(|approval| owning_request(approval).is_none() || terms::noted(approval).is_none())
}

/// A decision counts for the request it was made about, not for a later one of
/// the same name: nothing is granted before the approval is tied to its
/// request. A denial need not wait.
fn counts(approval: &APIKeyApproval, request: &APIKeyRequest) -> bool {
    let is_tied = match owning_request(approval) {
        Some(owner) => request.meta().uid.as_deref() == Some(owner),
        None => !approval.spec.approved,
    };
    approval.meta().deletion_timestamp.is_none()
        && request.meta().deletion_timestamp.is_none()
        && is_tied
}

/// Whether we may write an approval of this name about a request: one of an
/// earlier request goes first.
pub(super) fn is_writable(id: &ApprovalId, request: &APIKeyRequest, world: &World) -> bool {
    let is_ours = |approval: &APIKeyApproval| {
        approval.meta().deletion_timestamp.is_none()
            && owning_request(approval) == request.meta().uid.as_deref()
    };
    request.meta().deletion_timestamp.is_none() && world.find_approval(id).is_none_or(is_ours)
}

/// When a decision of ours is taken, so that it counts before the last one,
/// also within one second.
pub(super) fn moment_after(last: Option<&APIKeyApproval>, now: Timestamp) -> Timestamp {
    let now = whole_second(now);
    last.map_or(now, |last| {
        let after_it = after(last.spec.reviewed_at.0, SignedDuration::from_secs(1));
        whole_second(now.max(after_it))
    })
}

/// The UID of the request that owns an approval.
pub(super) fn owning_request(approval: &APIKeyApproval) -> Option<&str> {
    approval
        .owner_references()
        .iter()
        .find(|owner| owner.kind == APIKeyRequest::kind(&()))
        .map(|owner| owner.uid.as_str())
}

/// What ties an approval to its request.
pub(super) fn owner_reference(request: &APIKeyRequest) -> Owner {
    Owner {
        kind: "APIKeyRequest",
        name: request.name_any(),
        uid: request.uid().unwrap_or_default(),
    }
}

/// The decision as conditions tell it.
pub(super) fn review(approval: &APIKeyApproval) -> Review {
    Review {
        by: approval.spec.reviewed_by.clone(),
        at: approval.spec.reviewed_at.0,
        message: approval.spec.message.clone(),
    }
}

/// Which version of which approval: changes with every edit of the decision.
pub(super) fn mark(approval: &APIKeyApproval) -> String {
    let meta = approval.meta();
    format!(
        "{}/{}",
        approval.uid().unwrap_or_default(),
        meta.generation.unwrap_or_default()
    )
}
