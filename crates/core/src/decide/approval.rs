//! Does a decision count, what does it cover, and is it tied to its request?

use devportal_api::condition::{Validity, render};
use devportal_api::id::ApprovalId;
use devportal_api::{APIKeyApproval, APIKeyApprovalStatus};
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

    // Collected here as well as by the cluster's garbage collector, which not
    // every API server has.
    if let Some(owner) = ruling::owning_request(approval)
        && Some(owner) != request.and_then(|request| request.meta().uid.as_deref())
        && !matches!(found, Found::Flawed(None, flaw) if flaw.uid == owner)
    {
        let is_seen = world.requests().has_ended(owner);
        decision.writes.push(Write::DeleteApproval {
            id: id.clone(),
            uid: approval.uid().unwrap_or_default(),
            unless: (!is_seen).then(|| Presence::Request(request_id, Some(owner.to_owned()))),
        });
        return decision;
    }

    let validity = match request {
        None if matches!(found, Found::Flawed(..)) => return decision,
        None => Validity::RequestNotFound(request_id),
        Some(request) if request.meta().deletion_timestamp.is_some() => {
            Validity::RequestDeleting(request_id)
        }
        Some(request) => {
            let objection = ruling::objection(approval, request, world);
            if objection.is_none() && ruling::owning_request(approval).is_none() {
                let owner = ruling::owner_reference(request);
                decision.writes.push(Write::AdoptApproval {
                    id: id.clone(),
                    owner,
                });
            }
            objection.unwrap_or(Validity::Valid(request_id))
        }
    };

    // What it covers is recorded once; what was recorded and cannot be read is left alone.
    if terms::is_unreadable(id, world) {
        return decision;
    }
    let is_valid = matches!(validity, Validity::Valid(_));
    let covered = request.filter(|_| is_valid && approval.spec.approved);
    let covered = covered.map(|request| {
        let key = world.find_key(&request.key_id());
        terms::covered(approval, request, key)
    });
    let previous = approval.status.clone().unwrap_or_default();
    let generation = approval.meta().generation;
    let recorded = covered.or_else(|| terms::recorded(approval).cloned());
    let status = APIKeyApprovalStatus {
        observed_generation: generation,
        conditions: render(&[validity.fact()], &previous.conditions, generation, now),
        terms: recorded,
    };
    let status = world.fit::<APIKeyApproval, _>("status", status, Some(&previous));
    let flaw = world.approvals().flaw(id);
    if status != previous || flaw.is_some_and(|it| it.has_status_hole()) {
        decision
            .writes
            .push(Write::ApprovalStatus(id.clone(), Box::new(status)));
    }
    decision
}
