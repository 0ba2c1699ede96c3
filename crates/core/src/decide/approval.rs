//! Does a decision count, what does it cover, and is it tied to its request?

use std::sync::Arc;

use devportal_api::approval::Denied;
use devportal_api::condition::{Review, Validity, denial_stands, overruled, render};
use devportal_api::id::{ApprovalId, ProductId};
use devportal_api::{APIKeyApproval, APIKeyApprovalStatus, APIKeyRequest};
use devportal_mirror::Found;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::{ruling, terms};
use crate::decision::{Decision, Presence, Write};
use crate::world::{World, find_alive};

pub(super) fn decide(id: &ApprovalId, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let Some(approval) = find_alive(&world.approvals().look(id)) else {
        return decision;
    };
    let request_id = approval.request_id();
    let found = world.requests().look(&request_id);
    if matches!(found, Found::Unknown) {
        return decision;
    }
    let request = world.find_request(&request_id);

    if let Some(write) = collect(id, approval, &found, world) {
        decision.writes.push(write);
        return decision;
    }

    // A denial is about whom it denied, whoever has the request's name by now.
    let there = request;
    let request = request.filter(|it| ruling::is_about(approval, it));
    let mut denies = ruling::denies(approval, request, world, now);
    let is_home = request.is_none_or(|request| ruling::is_of_living_key(request, world));
    let is_unnoted = there.is_some_and(|it| ruling::is_unnoted(approval, it, world));
    let owner = ruling::owning_request(approval);
    if owner.is_none() && !is_home && !is_unnoted {
        // The request is made anew for the key that is there.
        return note_restored(id, approval, world);
    }
    if there.is_none() && approval.spec.approved && !approval.kept_out().is_empty() {
        // Whether it lifts what it denied tells the request that it is of.
        return decision;
    }
    let is_denial = !approval.spec.approved;
    let left = match there.filter(|_| is_denial) {
        Some(there) => ruling::standing(approval, there, &denies, world, now),
        None => None,
    };
    let is_sure = left.is_some() || there.is_none() || !is_denial;
    if !is_sure && !is_unnoted {
        return decision;
    }
    let standing = match left {
        Some(left) => {
            if !left.is_empty() {
                denies.clone_from(&left);
            }
            left
        }
        None if approval.is_standing() => denies.clone(),
        None => vec![],
    };
    let validity = match request {
        None if there.is_some() => Validity::NotDenied(request_id),
        None if matches!(found, Found::Flawed(..)) => return decision,
        None => Validity::RequestNotFound(request_id),
        Some(request) if request.meta().deletion_timestamp.is_some() => {
            Validity::RequestDeleting(request_id)
        }
        Some(request) => {
            let objection = ruling::objection(approval, request, world);
            let is_bound = is_sure && standing.is_empty() && is_home;
            // One that does not count for being one's own goes with the request, too: it is not for
            // whoever asks by the name afterwards.
            let is_its = matches!(objection, None | Some(Validity::OwnRequest(_)));
            if owner.is_none() && is_its && is_bound {
                decision.writes.push(Write::AdoptApproval {
                    id: id.clone(),
                    owner: ruling::owner_reference(request),
                });
            }
            objection.unwrap_or(Validity::Valid(request_id))
        }
    };
    if !standing.is_empty() && owner.is_some() {
        decision.writes.push(Write::ReleaseApproval(id.clone()));
    }

    let said = Said {
        validity,
        denies,
        standing,
    };
    // Before its owner reference, which makes another version of it.
    let told = said.status(id, approval, request, world, now);
    decision.writes.splice(0..0, told);
    decision
}

/// What an approval says of itself.
struct Said {
    validity: Validity,
    denies: Vec<Denied>,
    /// What of that stands.
    standing: Vec<Denied>,
}

impl Said {
    /// Its status, where it says something else.
    fn status(
        self,
        id: &ApprovalId,
        approval: &APIKeyApproval,
        request: Option<&APIKeyRequest>,
        world: &World,
        now: Timestamp,
    ) -> Option<Write> {
        // What it covers is recorded once; what was recorded and cannot be read is left alone.
        if terms::is_unreadable(id, world) {
            return None;
        }
        let is_valid = matches!(self.validity, Validity::Valid(_));
        let covered = request.filter(|_| is_valid && approval.spec.approved);
        let covered = covered.map(|request| {
            let key = world.find_key(&request.key_id());
            terms::covered(approval, request, key)
        });
        let previous = approval.status.clone().unwrap_or_default();
        let generation = approval.meta().generation;
        let recorded = covered.or_else(|| terms::recorded(approval).cloned());
        let mut facts = vec![self.validity.fact()];
        let overruler = request.filter(|_| is_valid);
        let overruler = overruler.and_then(|it| ruling::overruler(approval, it, world, now));
        facts.extend(overruler.map(|it| {
            let review = Review {
                at: ruling::taken(it, world, now),
                ..ruling::review(it)
            };
            overruled(&ApprovalId::of(it), &review)
        }));
        let kept_out = self.standing.iter();
        let kept_out: Vec<_> = kept_out
            .map(|it| (&*it.user_id, ProductId::new(&id.namespace, &it.api_product)))
            .collect();
        if !kept_out.is_empty() {
            facts.push(denial_stands(kept_out));
        }
        let status = APIKeyApprovalStatus {
            observed_generation: generation,
            conditions: render(&facts, &previous.conditions, generation, now),
            decision: Some(approval.decides()),
            terms: recorded,
            denies: self.denies,
            counts_from: ruling::note(approval, world, now),
        };
        let status = world.fit::<APIKeyApproval, _>("status", status, Some(&previous));
        let flaw = world.approvals().flaw(id);
        let differs = status != previous || flaw.is_some_and(|it| it.has_status_hole());
        differs.then(|| Write::ApprovalStatus(id.clone(), Box::new(status)))
    }
}

/// What goes with its request: collected here as well as by the cluster's garbage collector, which
/// not every API server has.
fn collect(
    id: &ApprovalId,
    approval: &APIKeyApproval,
    found: &Found<'_, Arc<APIKeyRequest>>,
    world: &World,
) -> Option<Write> {
    let owner = ruling::owning_request(approval)?;
    let there = match found {
        Found::Flawed(None, flaw) => Some(&*flaw.uid),
        Found::Present(it) | Found::Flawed(Some(it), _) => it.meta().uid.as_deref(),
        Found::Ended | Found::Absent | Found::Unknown => None,
    };
    if there == Some(owner) {
        return None;
    }
    let is_seen = world.requests().has_ended(owner);
    let request = || Presence::Request(approval.request_id(), Some(owner.to_owned()));
    Some(Write::DeleteApproval {
        id: id.clone(),
        uid: approval.uid().unwrap_or_default(),
        unless: (!is_seen).then(request),
    })
}

/// Of a restored approval it is noted what it covers while the request tells that.
fn note_restored(id: &ApprovalId, approval: &APIKeyApproval, world: &World) -> Decision {
    let mut decision = Decision::default();
    let request = world.find_request(&approval.request_id());
    let request = request.filter(|it| ruling::is_restored(approval, it, world));
    let Some(request) = request.filter(|_| terms::recorded(approval).is_none()) else {
        return decision;
    };
    let previous = approval.status.clone().unwrap_or_default();
    let status = APIKeyApprovalStatus {
        observed_generation: approval.meta().generation,
        terms: Some(terms::covered(approval, request, None)),
        decision: Some(approval.decides()),
        ..previous.clone()
    };
    let status = world.fit::<APIKeyApproval, _>("status", status, Some(&previous));
    if status != previous {
        let write = Write::ApprovalStatus(id.clone(), Box::new(status));
        decision.writes.push(write);
    }
    decision
}
