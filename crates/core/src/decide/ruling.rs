//! Of all decisions about a request, which one counts?
//!
//! The newest `reviewedAt` decides, then the newest creation, and a denial wins
//! a tie.

use devportal_api::condition::{Review, Validity, whole_second};
use devportal_api::id::{ApprovalId, RequestId};
use devportal_api::name::annotation;
use devportal_api::{APIKeyApproval, APIKeyRequest};
use devportal_mirror::{Flaw, Found};
use jiff::{SignedDuration, Timestamp};
use kube::{Resource, ResourceExt};

use super::{after, terms};
use crate::decision::Owner;
use crate::world::{Doubt, World};

/// The decision that counts about a request.
///
/// # Errors
///
/// When it is not known: decisions cannot be listed, or the newest is an approval of
/// which it cannot be read what it covers. A denial counts in any case.
pub(super) fn find<'a>(
    request: &APIKeyRequest,
    world: &'a World,
) -> Result<Option<&'a APIKeyApproval>, Doubt> {
    let id = RequestId::of(request);
    let newest = world
        .approvals_of(&id)
        .filter(|approval| counts(approval, request, world))
        .max_by_key(|approval| {
            let created = approval.meta().creation_timestamp.as_ref().map(|at| at.0);
            (
                approval.spec.reviewed_at.0,
                created,
                !approval.spec.approved,
                approval.name_any(),
            )
        });
    if let Some(approval) = newest.filter(|it| it.spec.approved) {
        let id = ApprovalId::of(approval);
        let flaw = world.approvals().flaw(&id);
        let is_covered = |flaw: &Flaw| flaw.has_spec() && !flaw.has_hole("status.terms");
        if let Some(flaw) = flaw.filter(|it| !is_covered(it)) {
            return Err(Doubt::unreadable(
                format!("APIKeyApproval {id}"),
                flaw.words(),
            ));
        }
    }
    let denied = newest.filter(|it| !it.spec.approved);
    if let Some(doubt) = unread(&id, denied, world) {
        return Err(doubt);
    }
    match World::blind(world.approvals()) {
        Some(doubt) if denied.is_none() => Err(doubt),
        _ => Ok(newest),
    }
}

/// A decision about the request of which no more can be read than that, unless the
/// request was denied after it was made.
fn unread(request: &RequestId, denied: Option<&APIKeyApproval>, world: &World) -> Option<Doubt> {
    let approvals = world.approvals();
    let denied = denied.and_then(|it| it.meta().creation_timestamp.as_ref());
    let is_about = |id: &ApprovalId, flaw: &Flaw| {
        let named = flaw.raw.pointer("/spec/apiKeyRequestRef/name");
        id.namespace == request.namespace
            && named.is_some_and(|it| *it == request.name)
            && denied.is_none_or(|at| flaw.created > Some(at.0))
    };
    let (id, flaw) = approvals
        .flawed()
        .find(|(id, flaw)| approvals.find(id).is_none() && is_about(id, flaw))?;
    Some(Doubt::unreadable(
        format!("APIKeyApproval {id}"),
        flaw.words(),
    ))
}

/// A decision counts for the request it was made about, not for a later one of
/// the same name: nothing is granted before the approval is tied to its
/// request. A denial need not wait.
fn counts(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    let is_tied = match owning_request(approval) {
        Some(owner) => request.meta().uid.as_deref() == Some(owner),
        None => !approval.spec.approved,
    };
    approval.meta().deletion_timestamp.is_none()
        && request.meta().deletion_timestamp.is_none()
        && is_tied
        && objection(approval, request, world).is_none()
}

/// Why an approval does not count for a request that it names. Once it is noted on the
/// approval what it covers, it counts, whatever is asked for or chosen later.
pub(super) fn objection(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
) -> Option<Validity> {
    let id = RequestId::of(request);
    let is_tied = owning_request(approval) == request.meta().uid.as_deref();
    let is_noted = is_tied
        && (terms::recorded(approval).is_some()
            || terms::is_unreadable(&ApprovalId::of(approval), world));
    if !approval.spec.approved || is_noted {
        return None;
    }
    let shown = approval.spec.terms.as_ref();
    if shown.is_some_and(|shown| *shown != request.terms()) {
        return Some(Validity::TermsChanged(id));
    }
    let is_own = approval.spec.reviewed_by == request.spec.requested_by.user_id;
    let may_decide_own = approval
        .annotations()
        .get(annotation::DECIDES_OWN)
        .is_some_and(|it| it == "true");
    let is_refused = is_own && world.settings().refuses_own && !may_decide_own;
    is_refused.then_some(Validity::OwnRequest(id))
}

/// Whether we may write an approval of this name about a request: one of an
/// earlier request goes first.
pub(super) fn is_writable(id: &ApprovalId, request: &APIKeyRequest, world: &World) -> bool {
    let is_ours = |approval: &APIKeyApproval| {
        approval.meta().deletion_timestamp.is_none()
            && owning_request(approval) == request.meta().uid.as_deref()
    };
    let is_free = match world.approvals().look(id) {
        Found::Present(approval) | Found::Flawed(Some(approval), _) => is_ours(approval),
        Found::Flawed(None, _) | Found::Unknown => false,
        Found::Ended | Found::Absent => true,
    };
    request.meta().deletion_timestamp.is_none() && is_free
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
