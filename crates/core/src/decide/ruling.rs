//! Of all decisions about a request, which one counts?
//!
//! The newest `reviewedAt` decides, then the newest creation, and a denial wins
//! a tie. Nobody decides ahead of time ([`taken`]), and an automatic approval overrules no
//! person's denial, whatever their clocks say.

use devportal_api::approval::DeniedRequester;
use devportal_api::condition::{Review, Validity, auto, kind, whole_second};
use devportal_api::id::{ApprovalId, ProductId, RequestId};
use devportal_api::name::annotation;
use devportal_api::product::ApprovalMode;
use devportal_api::{APIKey, APIKeyApproval, APIKeyRequest};
use devportal_mirror::{Flaw, Found};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{Resource, ResourceExt};

use super::key::shadows;
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
    now: Timestamp,
) -> Result<Option<&'a APIKeyApproval>, Doubt> {
    let id = RequestId::of(request);
    let all = world.approvals_of(&id);
    let its: Vec<_> = all.filter(|it| may_count(it, request, world)).collect();
    let counting: Vec<_> = its
        .iter()
        .filter(|it| is_about(it, request) && !is_withdrawn(it, request, &its, world, now))
        .collect();
    let is_denied = counting.iter().any(|approval| !approval.spec.approved);
    let newest = counting
        .into_iter()
        .copied()
        .filter(|approval| !is_denied || !is_automatic(approval))
        .max_by_key(|approval| rank(approval, world, now));
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

/// Which of two decisions counts: the greater.
fn rank(
    approval: &APIKeyApproval,
    world: &World,
    now: Timestamp,
) -> (Timestamp, Option<Timestamp>, bool, String) {
    (
        taken(approval, world, now),
        created(approval),
        !approval.spec.approved,
        approval.name_any(),
    )
}

/// Whether an approval is of our own making, and granted all that was asked for: one that a
/// person edited to grant less is theirs.
pub(super) fn is_automatic(approval: &APIKeyApproval) -> bool {
    let spec = &approval.spec;
    spec.approved
        && spec.reviewed_by == auto::REVIEWER
        && spec.reason.as_deref() == Some(auto::REASON)
        && spec.plan_tier.is_none()
        && spec.expires_at.is_none()
        && spec.terms.is_none()
}

/// Whether what an approval covers was denied after it: whatever the request asks for by now,
/// and whether or not it is denied that as well.
fn is_withdrawn(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    its: &[&APIKeyApproval],
    world: &World,
    now: Timestamp,
) -> bool {
    if !approval.spec.approved || its.iter().all(|it| it.spec.approved) {
        return false;
    }
    let key = world.find_key(&request.key_id());
    let covered = terms::covered(approval, request, key);
    let denies = |denial: &&&APIKeyApproval| {
        let mut denied = denial.denied().into_iter().chain(denial.denied_before());
        denied.any(|it| {
            it.user_id == covered.requested_by.user_id
                && it.api_product == covered.api_product_ref.name
        })
    };
    let mut denials = its.iter().filter(|it| !it.spec.approved).filter(denies);
    denials.any(|it| is_automatic(approval) || rank(it, world, now) > rank(approval, world, now))
}

/// How far a clock may be ahead unnoticed: the API server tells creations in whole
/// seconds.
const UNNOTICED: SignedDuration = SignedDuration::from_secs(1);

/// When a decision counts as taken: at its `reviewedAt`, unless that is later than it was
/// made. A reviewer whose clock is ahead overrules nobody who decides after them.
fn taken(approval: &APIKeyApproval, world: &World, now: Timestamp) -> Timestamp {
    let at = approval.spec.reviewed_at.0;
    let flaw = world.approvals().flaw(&ApprovalId::of(approval));
    let is_unreadable = flaw.is_some_and(|it| it.has_hole("spec.reviewedAt"));
    let made = made(approval, world, now);
    // A denial of an unreadable time is outlived by none.
    if is_unreadable || at <= after(made, UNNOTICED) {
        at
    } else {
        made
    }
}

fn created(approval: &APIKeyApproval) -> Option<Timestamp> {
    let at = approval.meta().creation_timestamp.as_ref();
    at.map(|at| at.0)
}

/// When a decision was made as it is: when it was created, or for one that was edited, when
/// the controller saw that.
fn made(approval: &APIKeyApproval, world: &World, now: Timestamp) -> Timestamp {
    let edited = match noted(approval) {
        Some(at) => Some(at),
        None if world.keeps::<APIKeyApproval>("status.countsFrom") => Some(now),
        None => None,
    };
    let edited = edited.filter(|_| is_edited(approval));
    edited.or(created(approval)).unwrap_or(now)
}

fn is_edited(approval: &APIKeyApproval) -> bool {
    approval.meta().generation.is_some_and(|it| it > 1)
}

/// When the controller saw a decision that is dated ahead, as it is now.
fn noted(approval: &APIKeyApproval) -> Option<Timestamp> {
    let status = approval.status.as_ref()?;
    let is_of_this = status.observed_generation == approval.meta().generation;
    let at = status.counts_from.as_ref().filter(|_| is_of_this);
    at.map(|at| at.0)
}

/// What is to be noted of when a decision counts from: of one that was edited and is dated
/// ahead, when that was seen.
pub(super) fn note(approval: &APIKeyApproval, world: &World, now: Timestamp) -> Option<Time> {
    let taken = taken(approval, world, now);
    let is_ahead = taken != approval.spec.reviewed_at.0;
    (is_edited(approval) && is_ahead).then(|| Time(whole_second(taken)))
}

/// The decision that counts in the place of one that was made, or may have been made, after
/// it: whoever made that would not expect it.
pub(super) fn overruler<'a>(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &'a World,
    now: Timestamp,
) -> Option<&'a APIKeyApproval> {
    let winner = find(request, world, now).ok().flatten()?;
    let is_later = is_edited_beside(approval) || created(approval) >= created(winner);
    let is_other = winner.meta().uid != approval.meta().uid;
    let differs = winner.spec.approved != approval.spec.approved;
    (is_other && is_later && differs).then_some(winner)
}

/// Whether a decision was edited after the other was there: when it was edited is not told,
/// but whether that was seen before.
fn is_edited_beside(approval: &APIKeyApproval) -> bool {
    let status = approval.status.as_ref();
    let is_seen = status.is_some_and(|it| it.observed_generation == approval.meta().generation);
    let mut conditions = status.into_iter().flat_map(|it| &it.conditions);
    let is_told = conditions.any(|it| it.type_ == kind::OVERRULED && it.status == "True");
    is_edited(approval) && (!is_seen || is_told)
}

/// Whether a decision is about this request: a denial is not about another that has its name by
/// now, of another requester, nor about another product that it asks for by now. It is once a
/// person decides anew, about the request that has the name by then.
pub(super) fn is_about(approval: &APIKeyApproval, request: &APIKeyRequest) -> bool {
    let denied = approval.denied();
    denied.is_none_or(|it| is_whom(it, request)) || is_decided_anew(approval, request)
}

/// Whether who was denied asks by this request, for that product.
pub(super) fn is_whom(denied: &DeniedRequester, request: &APIKeyRequest) -> bool {
    let spec = &request.spec;
    denied.user_id == spec.requested_by.user_id && denied.api_product == spec.api_product_ref.name
}

/// Whether a decision was edited since it was last looked at, to name another request or to be
/// taken when this one was there: who only mends the words of an old one leaves its time.
fn is_decided_anew(approval: &APIKeyApproval, request: &APIKeyRequest) -> bool {
    let seen = approval
        .status
        .as_ref()
        .and_then(|it| it.observed_generation);
    let named = approval.denied().and_then(|it| it.request.as_deref());
    let asked = request.meta().creation_timestamp.as_ref();
    seen != approval.meta().generation
        && (named.is_some_and(|it| it != approval.spec.api_key_request_ref.name)
            || asked.is_some_and(|at| at.0 <= approval.spec.reviewed_at.0))
}

/// Whom a decision that is about the request denied before. Who is among them is not any more
/// once it is decided anew about them.
pub(super) fn denied_before(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
) -> Vec<DeniedRequester> {
    let status = approval.status.as_ref();
    let mut before = approval.denied_before().to_vec();
    before.retain(|it| !is_whom(it, request) || !is_decided_anew(approval, request));
    let last = status.and_then(|it| it.denies.as_ref());
    let last = last.filter(|it| approval.is_standing() && !is_whom(it, request));
    before.extend(last.cloned());
    before.dedup_by(|a, b| (&a.user_id, &a.api_product) == (&b.user_id, &b.api_product));
    before
}

/// Whether a denial keeps the requester from what the product would approve by itself:
/// whatever becomes of the request, it stands. All are a person's, for the controller denies
/// nothing. What stands goes on standing while a person decides about the product, or while
/// the product is gone: both may pass. `None` where that is not known.
pub(super) fn stands(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
    now: Timestamp,
) -> Option<bool> {
    let id = RequestId::of(request);
    if approval.spec.approved || !world.keeps::<APIKeyApproval>("status.denies") {
        return Some(false);
    }
    let has_stood = approval.is_standing();
    let product = ProductId::new(&id.namespace, &request.spec.api_product_ref.name);
    let is_kept_out = match world.products().look(&product) {
        _ if has_stood => true,
        Found::Unknown | Found::Flawed(None, _) => return None,
        Found::Ended | Found::Absent => false,
        Found::Present(it) | Found::Flawed(Some(it), _) => {
            it.spec.approval_mode == ApprovalMode::Automatic
        }
    };
    let ruling = find(request, world, now).ok()?;
    let counts = ruling.is_some_and(|it| {
        let is_other = it.meta().uid != approval.meta().uid;
        // What lifts it is an approval of what it denied.
        let is_of_another = || {
            let key = world.find_key(&request.key_id());
            has_stood && !terms::are_of(&terms::covered(it, request, key), request)
        };
        !is_other || (it.spec.approved && is_of_another())
    });
    Some(is_kept_out && counts)
}

/// A decision about the request of which no more can be read than that, unless the
/// request was denied after it was made.
fn unread(request: &RequestId, denied: Option<&APIKeyApproval>, world: &World) -> Option<Doubt> {
    let approvals = world.approvals();
    let denied = denied.and_then(created);
    let is_about = |id: &ApprovalId, flaw: &Flaw| {
        let named = flaw.raw.pointer("/spec/apiKeyRequestRef/name");
        id.namespace == request.namespace
            && named.is_some_and(|it| *it == *request.name)
            && denied.is_none_or(|at| flaw.created > Some(at))
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
fn may_count(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    let is_tied = match owning_request(approval) {
        Some(owner) => request.meta().uid.as_deref() == Some(owner),
        // Somebody took the reference away.
        None if approval.spec.approved => was_tied(approval, request, world),
        None => true,
    };
    approval.meta().deletion_timestamp.is_none()
        && request.meta().deletion_timestamp.is_none()
        && is_tied
        && objection(approval, request, world).is_none()
}

/// Whether the request's key is told to be approved by this very decision.
fn was_tied(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    let id = request.key_id();
    let key = world.find_key(&id);
    let status = key
        .filter(|key| shadows(request, &id, key))
        .and_then(|key| key.status.as_ref());
    let by = status.and_then(|it| Some(&it.approved_terms.as_ref()?.approval));
    by.is_some_and(|it| *it == mark(approval))
}

/// Why an approval does not count for a request that it names. Once it is noted on the
/// approval what it covers, it counts, whatever is asked for or chosen later: but not for the
/// request of somebody else, or for another product, once nothing ties it any more.
pub(super) fn objection(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
) -> Option<Validity> {
    if !approval.spec.approved {
        return None;
    }
    let id = RequestId::of(request);
    if !denied_before(approval, request).is_empty() {
        return Some(Validity::DenialStands(id));
    }
    let recorded = terms::recorded(approval);
    let owner = owning_request(approval);
    let is_its = |it| terms::are_of(it, request) || was_tied(approval, request, world);
    if owner.is_none() && !recorded.is_none_or(is_its) {
        return Some(Validity::TermsChanged(id));
    }
    let is_tied = owner.is_none() || owner == request.meta().uid.as_deref();
    let is_noted = recorded.is_some() || terms::is_unreadable(&ApprovalId::of(approval), world);
    if is_tied && is_noted {
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

/// Whether a request is that of a key that is there. One of an earlier key of the name, as
/// after a restore, is made anew: nothing is tied to it.
pub(super) fn is_of_living_key(request: &APIKeyRequest, world: &World) -> bool {
    let id = request.key_id();
    let key = world.find_key(&id);
    key.is_some_and(|key| shadows(request, &id, key))
}

/// Whether an approval is older than the key of the name that is there: key and decision
/// were restored from a backup. It counts for what it was given for, once the request is
/// made anew.
pub(super) fn is_restored(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
) -> bool {
    let is_older = |key: &APIKey| {
        is_older(approval, key)
            && key.spec.requested_by.user_id == request.spec.requested_by.user_id
    };
    approval.spec.approved
        && owning_request(approval).is_none()
        && objection(approval, request, world).is_none()
        && world.find_key(&request.key_id()).is_some_and(is_older)
}

/// Whether a decision is older than the key.
pub(super) fn is_older(approval: &APIKeyApproval, key: &APIKey) -> bool {
    let created = key.meta().creation_timestamp.as_ref();
    created.is_some_and(|at| approval.spec.reviewed_at.0 < at.0)
}

/// Whether we may write an approval of this name about a request: one of an
/// earlier request goes first. A denial that stands is of whom it denied.
pub(super) fn is_writable(id: &ApprovalId, request: &APIKeyRequest, world: &World) -> bool {
    let is_ours = |approval: &APIKeyApproval| {
        let is_tied = match owning_request(approval) {
            Some(owner) => request.meta().uid.as_deref() == Some(owner),
            None => approval.denied().is_some() && is_about(approval, request),
        };
        approval.meta().deletion_timestamp.is_none() && is_tied
    };
    let is_free = match world.approvals().look(id) {
        Found::Present(approval) | Found::Flawed(Some(approval), _) => is_ours(approval),
        Found::Flawed(None, _) | Found::Unknown => false,
        Found::Ended | Found::Absent => true,
    };
    request.meta().deletion_timestamp.is_none() && is_free
}

/// Whether an approval is a denial of somebody else, or was and keeps them out.
pub(super) fn is_kept_for_another(id: &ApprovalId, request: &APIKeyRequest, world: &World) -> bool {
    let there = world.find_approval(id);
    there.is_some_and(|it| {
        !is_about(it, request) || it.kept_out().any(|whom| !is_whom(whom, request))
    })
}

/// When a decision of ours about a key is taken, so that it counts before the last one, also
/// within one second, and is never older than the key, also where our clock is behind.
pub(super) fn moment_after(
    last: Option<&APIKeyApproval>,
    key: &APIKey,
    world: &World,
    now: Timestamp,
) -> Timestamp {
    let created = key.meta().creation_timestamp.as_ref().map(|at| at.0);
    let after_last = last.map(|it| after(taken(it, world, now), SignedDuration::from_secs(1)));
    let moments = [Some(now), created, after_last].into_iter().flatten();
    whole_second(moments.max().unwrap_or(now))
}

/// The UID of the request that owns an approval. What ties it to another than it names by now
/// is of no meaning.
pub(super) fn owning_request(approval: &APIKeyApproval) -> Option<&str> {
    let named = &approval.spec.api_key_request_ref.name;
    let mut owners = approval.owner_references().iter();
    owners
        .find(|owner| owner.kind == APIKeyRequest::kind(&()) && owner.name == *named)
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
