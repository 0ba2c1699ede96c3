//! Of all decisions about a request, which one counts?
//!
//! The newest `reviewedAt` decides, then the newest creation, and a denial wins
//! a tie. Nobody decides ahead of time ([`taken`]), and an automatic approval overrules no
//! person's denial, whatever their clocks say.

use std::collections::BTreeSet;

use devportal_api::approval::Denied;
use devportal_api::condition::{Review, Validity, auto, kind, whole_second};
use devportal_api::id::{ApprovalId, ProductId, RequestId};
use devportal_api::key::ApprovedTerms;
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
    let its = decisions(request, world);
    let counting = its.iter().copied().filter(|it| {
        objection(it, request, world).is_none()
            && is_about(it, request)
            && withdrawer(it, request, &its, world, now).is_none()
    });
    let counting: Vec<_> = counting.collect();
    let is_denied = counting.iter().any(|approval| !approval.spec.approved);
    let newest = counting
        .into_iter()
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
    grants_all(approval)
        && spec.reviewed_by == auto::REVIEWER
        && spec.reason.as_deref() == Some(auto::REASON)
        && spec.terms.is_none()
}

/// Whether an approval grants all that was asked for.
pub(super) fn grants_all(approval: &APIKeyApproval) -> bool {
    let spec = &approval.spec;
    spec.approved && spec.granted_tier().is_none() && spec.expires_at.is_none()
}

/// The denial that withdraws an approval, also while the request asks for something else: one
/// that was taken after it, or for one of our own making any of what it covers.
fn withdrawer<'a>(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    its: &[&'a APIKeyApproval],
    world: &World,
    now: Timestamp,
) -> Option<&'a APIKeyApproval> {
    let is_denial = |it: &&APIKeyApproval| !it.spec.approved || holds_denial(it, request, world);
    let mut denials = its.iter().copied().filter(is_denial).peekable();
    denials.peek().filter(|_| approval.spec.approved)?;
    let key = world.find_key(&request.key_id());
    let covered = terms::covered(approval, request, key);
    let is_automatic = is_automatic(approval);
    let rank_of_it = rank(approval, world, now);
    denials.find(|it| {
        let is_other = it.meta().uid != approval.meta().uid;
        let denies = || it.denied().iter().any(|it| is_of(it, &covered));
        is_other && (rank(it, world, now) > rank_of_it || (is_automatic && denies()))
    })
}

/// Whether terms are what was denied.
fn is_of(denied: &Denied, terms: &ApprovedTerms) -> bool {
    denied.is_of(&terms.api_product_ref.name, &terms.requested_by.user_id)
}

/// How far a clock may be ahead unnoticed: the API server tells creations in whole
/// seconds.
const UNNOTICED: SignedDuration = SignedDuration::from_secs(1);

/// When a decision counts as taken: at its `reviewedAt`, unless that is later than it was
/// made. A reviewer whose clock is ahead overrules nobody who decides after them.
pub(super) fn taken(approval: &APIKeyApproval, world: &World, now: Timestamp) -> Timestamp {
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
        // Our clock may be behind the API server's, by which all were created.
        None if world.keeps::<APIKeyApproval>("status.countsFrom") => {
            Some(created(approval).map_or(now, |at| at.max(now)))
        }
        None => None,
    };
    let edited = edited.filter(|_| is_edited(approval));
    edited.or(created(approval)).unwrap_or(now)
}

fn is_edited(approval: &APIKeyApproval) -> bool {
    approval.meta().generation.is_some_and(|it| it > 1)
}

/// When the controller saw a decision that is dated ahead, as it is now: one that it has not seen
/// edited was so when it was created.
fn noted(approval: &APIKeyApproval) -> Option<Timestamp> {
    let status = approval.status.as_ref()?;
    let at = status.counts_from.as_ref().map(|at| at.0);
    let first = || (status.observed_generation == Some(1)).then(|| created(approval));
    at.or_else(|| first()?)
        .filter(|_| !is_edited_since(approval))
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
    let its = decisions(request, world);
    let ruling = find(request, world, now).ok()?;
    let winner = ruling.or_else(|| withdrawer(approval, request, &its, world, now))?;
    let is_later = is_edited_beside(approval) || created(approval) >= created(winner);
    let is_other = winner.meta().uid != approval.meta().uid;
    let differs = winner.spec.approved != approval.spec.approved;
    (is_other && is_later && differs).then_some(winner)
}

/// Whether a decision was edited after the other was there: when it was edited is not told,
/// but whether that was seen before.
fn is_edited_beside(approval: &APIKeyApproval) -> bool {
    let mut conditions = approval.status.iter().flat_map(|it| &it.conditions);
    let is_told = conditions.any(|it| it.type_ == kind::OVERRULED && it.status == "True");
    is_edited(approval) && (is_edited_since(approval) || is_told)
}

/// Whether a decision is about this request. A denial is not about that of another requester who
/// has its name by now, nor about another product that it asks for by now, unless it is taken
/// anew.
pub(super) fn is_about(approval: &APIKeyApproval, request: &APIKeyRequest) -> bool {
    let denied = approval.denied();
    approval.spec.approved
        || denied.is_empty()
        || denied.iter().any(|it| is_whom(it, request))
        || is_taken_anew(approval, request)
}

/// Whether what was denied is asked for by this request.
fn is_whom(denied: &Denied, request: &APIKeyRequest) -> bool {
    let spec = &request.spec;
    denied.is_of(&spec.api_product_ref.name, &spec.requested_by.user_id)
}

/// Whether what is noted to be denied is not all: the decision names another request since, or
/// was taken again, when this one was there. Who only mends its words leaves its time.
fn is_taken_anew(approval: &APIKeyApproval, request: &APIKeyRequest) -> bool {
    let Some(noted) = approval.denied().first() else {
        return false;
    };
    let spec = &approval.spec;
    let named = &spec.api_key_request_ref.name;
    let taken = whole_second(spec.reviewed_at.0);
    let asked = request.meta().creation_timestamp.as_ref();
    noted.request.as_ref().is_some_and(|it| it != named)
        || (noted.reviewed_at.as_ref().is_some_and(|at| at.0 != taken)
            && asked.is_some_and(|at| at.0 <= spec.reviewed_at.0))
}

/// Whether an approval was a denial that stands and is not lifted by it.
fn holds_denial(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    approval.spec.approved && !still_denied(approval, request, world).is_empty()
}

/// What an approval that was a denial that stands goes on denying: all of it, unless it was edited
/// to approve just that and nothing speaks against it.
fn still_denied<'a>(
    approval: &'a APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
) -> &'a [Denied] {
    let denied = approval.kept_out();
    let is_news = is_edited_since(approval) || is_taken_anew(approval, request);
    let is_lifted = is_news
        && denied.iter().all(|it| is_whom(it, request))
        && refusal(approval, request, world).is_none();
    if is_lifted { &[] } else { denied }
}

/// Whether of some decision it is yet to be noted what it denies: until then the request stays,
/// and as it is, which is all that tells.
pub(super) fn awaits_note(request: &APIKeyRequest, world: &World) -> bool {
    let id = RequestId::of(request);
    let mut approvals = world.approvals_of(&id);
    approvals.any(|it| {
        let owner = owning_request(it);
        let is_its = owner.is_none() || owner == request.meta().uid.as_deref();
        is_its && it.meta().deletion_timestamp.is_none() && is_unnoted(it, request, world)
    })
}

/// Whether it is yet to be noted what a decision about the request denies.
pub(super) fn is_unnoted(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
) -> bool {
    let is_news = if approval.spec.approved {
        is_edited_since(approval) && !approval.kept_out().is_empty()
    } else {
        approval.denied().is_empty() || is_taken_anew(approval, request)
    };
    // What cannot be read of it holds nothing up.
    is_news
        && world.keeps::<APIKeyApproval>("status.denies")
        && !terms::is_unreadable(&ApprovalId::of(approval), world)
}

/// Whether a decision was edited since its status was written, in more than its words.
fn is_edited_since(approval: &APIKeyApproval) -> bool {
    let status = approval.status.as_ref();
    let seen = status.and_then(|it| it.observed_generation);
    let decided = status.and_then(|it| it.decision.as_ref());
    seen != approval.meta().generation && decided.is_none_or(|it| *it != approval.decides())
}

/// What a decision denies, to be noted.
pub(super) fn denies(
    approval: &APIKeyApproval,
    request: Option<&APIKeyRequest>,
    world: &World,
    now: Timestamp,
) -> Vec<Denied> {
    let named = &approval.spec.api_key_request_ref.name;
    let noted = approval.denied();
    let mut all: Vec<Denied> = match request {
        None if approval.spec.approved => approval.kept_out().to_vec(),
        None => noted.to_vec(),
        Some(request) if approval.spec.approved => still_denied(approval, request, world).to_vec(),
        Some(request) => {
            let mut all = noted.to_vec();
            if noted.is_empty() || is_taken_anew(approval, request) {
                all.extend(asked_and_approved(approval, request, world, now));
            }
            all
        }
    };
    let mut seen = BTreeSet::new();
    all.retain(|it| seen.insert((it.user_id.clone(), it.api_product.clone())));
    for it in &mut all {
        it.reviewed_at = Some(Time(whole_second(approval.spec.reviewed_at.0)));
        // One that names a request that is not there is about that once it is.
        if request.is_some() || it.request.is_none() {
            it.request = Some(named.clone());
        }
    }
    all
}

/// What a request asks for, and what it was approved for when it was denied.
fn asked_and_approved(
    denial: &APIKeyApproval,
    request: &APIKeyRequest,
    world: &World,
    now: Timestamp,
) -> impl Iterator<Item = Denied> {
    let denied = |product: &str, user: &str| Denied {
        api_product: product.to_owned(),
        user_id: user.to_owned(),
        request: None,
        reviewed_at: None,
    };
    let spec = &request.spec;
    let asked = denied(&spec.api_product_ref.name, &spec.requested_by.user_id);
    let of_denial = rank(denial, world, now);
    let mut others = decisions(request, world);
    others.retain(|it| it.meta().uid != denial.meta().uid);
    let before = others.iter().filter(|it| {
        it.spec.approved
            && objection(it, request, world).is_none()
            && withdrawer(it, request, &others, world, now).is_none()
            && (rank(it, world, now) < of_denial || is_automatic(it))
    });
    let approved = before.max_by_key(|it| rank(it, world, now)).map(|it| {
        let key = world.find_key(&request.key_id());
        let terms = terms::covered(it, request, key);
        denied(&terms.api_product_ref.name, &terms.requested_by.user_id)
    });
    [Some(asked), approved].into_iter().flatten()
}

/// What of that which a denial denies it keeps the requester from, whatever becomes of the
/// request: where a product would approve by itself, and no person decided about it later. All are
/// a person's, for the controller denies nothing. What stands goes on standing while a person
/// decides about the product, or while the product is gone: both may pass. Nothing where it does
/// not stand, `None` where that is not known.
pub(super) fn standing(
    approval: &APIKeyApproval,
    request: &APIKeyRequest,
    denies: &[Denied],
    world: &World,
    now: Timestamp,
) -> Option<Vec<Denied>> {
    if approval.spec.approved || !world.keeps::<APIKeyApproval>("status.denies") {
        return Some(vec![]);
    }
    let has_stood = approval.is_standing();
    let namespace = RequestId::of(request).namespace;
    let mut is_kept_out = has_stood;
    for denied in denies {
        let product = ProductId::new(&*namespace, &denied.api_product);
        is_kept_out |= match world.products().look(&product) {
            _ if has_stood => true,
            Found::Unknown | Found::Flawed(None, _) => return None,
            Found::Ended | Found::Absent => false,
            Found::Present(it) | Found::Flawed(Some(it), _) => {
                it.spec.approval_mode == ApprovalMode::Automatic
            }
        };
    }
    if !is_kept_out {
        return Some(vec![]);
    }
    find(request, world, now).ok()?;
    let key = world.find_key(&request.key_id());
    let of_it = rank(approval, world, now);
    let mut later = decisions(request, world);
    later.retain(|it| {
        rank(it, world, now) > of_it && objection(it, request, world).is_none() && !is_automatic(it)
    });
    let is_superseded = |denied: &Denied| {
        later.iter().any(|it| {
            if it.spec.approved {
                is_of(denied, &terms::covered(it, request, key))
            } else {
                // One that does not stand goes with the request.
                it.kept_out()
                    .iter()
                    .any(|it| it.is_of(&denied.api_product, &denied.user_id))
            }
        })
    };
    let left = denies.iter().filter(|it| !is_superseded(it));
    Some(left.cloned().collect())
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
fn is_its(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    let is_tied = match owning_request(approval) {
        Some(owner) => request.meta().uid.as_deref() == Some(owner),
        // Somebody took the reference away.
        None if approval.spec.approved => {
            was_tied(approval, request, world) || holds_denial(approval, request, world)
        }
        None => true,
    };
    approval.meta().deletion_timestamp.is_none()
        && request.meta().deletion_timestamp.is_none()
        && is_tied
}

/// All of these about a request.
fn decisions<'a>(request: &APIKeyRequest, world: &'a World) -> Vec<&'a APIKeyApproval> {
    let id = RequestId::of(request);
    let all = world.approvals_of(&id);
    all.filter(|it| is_its(it, request, world)).collect()
}

/// Whether the request's key is told to be approved by this very decision.
fn was_tied(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> bool {
    let id = request.key_id();
    let key = world.find_key(&id);
    let status = key
        .filter(|key| shadows(request, &id, key))
        .and_then(|key| key.status.as_ref());
    let told = status.and_then(|it| it.approved_terms.as_ref());
    let is_of =
        |it: &ApprovedTerms| it.approval.split('/').next() == approval.meta().uid.as_deref();
    // Whoever mended its words since decided nothing.
    let is_recorded = |told: &ApprovedTerms| {
        let recorded = terms::recorded(approval);
        recorded.is_some_and(|it| is_of(told) && terms::are_alike(it, told))
    };
    told.is_some_and(|told| told.approval == mark(approval) || is_recorded(told))
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
    refusal(approval, request, world).or_else(|| {
        let id = RequestId::of(request);
        holds_denial(approval, request, world).then_some(Validity::DenialStands(id))
    })
}

/// Why an approval does not count by itself, whatever it was before.
fn refusal(approval: &APIKeyApproval, request: &APIKeyRequest, world: &World) -> Option<Validity> {
    let id = RequestId::of(request);
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
    // Nor is it for somebody else who is named by now, also where one's own are let again.
    let is_refused = if is_own {
        world.settings().refuses_own
    } else {
        was_own(approval)
    };
    (is_refused && !may_decide_own).then_some(Validity::OwnRequest(id))
}

/// Whether an approval, as it is now, was refused for being one's own: it is not for another who
/// is named in the request afterwards.
pub(super) fn was_own(approval: &APIKeyApproval) -> bool {
    let mut conditions = approval.status.iter().flat_map(|it| &it.conditions);
    conditions.any(|it| {
        it.type_ == kind::VALID
            && it.reason == "OwnRequest"
            && it.observed_generation == approval.meta().generation
    })
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
        let is_standing = !approval.spec.approved && !approval.denied().is_empty();
        let is_tied = match owning_request(approval) {
            Some(owner) => request.meta().uid.as_deref() == Some(owner),
            None => is_standing,
        };
        // A denial of something else is not to be written over.
        approval.meta().deletion_timestamp.is_none() && is_tied && is_about(approval, request)
    };
    let is_free = match world.approvals().look(id) {
        Found::Present(approval) | Found::Flawed(Some(approval), _) => is_ours(approval),
        Found::Flawed(None, _) | Found::Unknown => false,
        Found::Ended | Found::Absent => true,
    };
    request.meta().deletion_timestamp.is_none() && is_free
}

/// Whether an approval denies something else than the request asks for, and has to stay for that.
pub(super) fn is_kept_for_another(id: &ApprovalId, request: &APIKeyRequest, world: &World) -> bool {
    let there = world.find_approval(id);
    there.is_some_and(|it| {
        !is_about(it, request) || it.kept_out().iter().any(|whom| !is_whom(whom, request))
    })
}

/// When a decision of ours about a key is taken, so that it counts before all others of the
/// request, also within one second, and is never older than the key, also where our clock is behind.
pub(super) fn moment_after(
    request: Option<&APIKeyRequest>,
    key: &APIKey,
    world: &World,
    now: Timestamp,
) -> Timestamp {
    let its = request.into_iter().flat_map(|it| decisions(it, world));
    let last = its.max_by_key(|it| rank(it, world, now));
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

/// Which version of which approval, as `UID/GENERATION`.
pub(super) fn mark(approval: &APIKeyApproval) -> String {
    let uid = approval.uid().unwrap_or_default();
    let generation = approval.meta().generation.unwrap_or_default();
    format!("{uid}/{generation}")
}
