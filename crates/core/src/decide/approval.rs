//! Does a decision count, what does it cover, and is it tied to its request?

use devportal_api::APIKeyApprovalStatus;
use devportal_api::condition::{Validity, render};
use devportal_api::id::ApprovalId;
use jiff::Timestamp;
use kube::{Resource, ResourceExt};

use super::{ruling, terms};
use crate::decision::{Decision, Write};
use crate::world::World;

pub(super) fn decide(id: &ApprovalId, world: &World, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    let Some(approval) = world.find_approval(id) else {
        return decision;
    };
    if approval.meta().deletion_timestamp.is_some() {
        return decision;
    }
    let request_id = approval.request_id();
    let request = world.find_request(&request_id);

    // Collected here as well as by the cluster's garbage collector, which not
    // every API server has.
    let owner = ruling::owning_request(approval);
    if owner.is_some() && owner != request.and_then(|request| request.meta().uid.as_deref()) {
        decision.writes.push(Write::DeleteApproval {
            id: id.clone(),
            uid: approval.uid().unwrap_or_default(),
        });
        return decision;
    }

    let validity = match request {
        None => Validity::RequestNotFound(request_id),
        Some(request) if request.meta().deletion_timestamp.is_some() => {
            Validity::RequestDeleting(request_id)
        }
        Some(request) => {
            if owner.is_none() {
                let owner = ruling::owner_reference(request);
                decision.writes.push(Write::AdoptApproval {
                    id: id.clone(),
                    owner,
                });
            }
            Validity::Valid(request_id)
        }
    };

    let is_valid = matches!(validity, Validity::Valid(_));
    let terms = request.filter(|_| is_valid && approval.spec.approved);
    let terms = terms.map(|request| {
        let key = world.find_key(&request.key_id());
        terms::covered(approval, request, key)
    });

    let previous = approval.status.clone().unwrap_or_default();
    let generation = approval.meta().generation;
    let status = APIKeyApprovalStatus {
        observed_generation: generation,
        conditions: render(&[validity.fact()], &previous.conditions, generation, now),
        terms: terms.or_else(|| terms::noted(approval).cloned()),
    };
    if status != previous {
        decision
            .writes
            .push(Write::ApprovalStatus(id.clone(), Box::new(status)));
    }
    decision
}
