//! When is a patched `status.phase` a decision?
//!
//! In the first generation of the API an owner approved by patching it. Where
//! that is switched on the patch becomes an approval like any other, and from
//! there on nothing is special about it.

use devportal_api::approval::{APIKeyApprovalSpec, ApiKeyRequestRef};
use devportal_api::condition::{by_phase, kind};
use devportal_api::key::Phase;
use devportal_api::name;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{Case, ruling};
use crate::decision::Write;

impl Case<'_> {
    /// The decision that the phase holds and no approval does yet.
    pub(super) fn decide_by_phase(&self) -> Option<Write> {
        if !self.world.settings().phase_decides {
            return None;
        }
        let status = self.key.status.as_ref()?;
        let phase = status.phase.as_ref()?;
        let approved = match phase {
            Phase::Approved => true,
            Phase::Rejected => false,
            Phase::Pending => return None,
        };
        let is_mirror = mirrored(&status.conditions).as_ref() == Some(phase);
        let is_known = (self.ruling).is_some_and(|ruling| ruling.spec.approved == approved);
        let request = self.request?;
        let id = name::phase_approval(&self.request_id);
        let is_ready =
            request.spec == self.request_spec() && ruling::is_writable(&id, request, self.world);
        let reviewer = status.reviewed_by.as_deref();
        let reviewed_by = reviewer.filter(|by| !by.is_empty());
        (is_ready && !is_mirror && !is_known).then(|| Write::ApplyApproval {
            id,
            spec: APIKeyApprovalSpec {
                api_key_request_ref: ApiKeyRequestRef {
                    name: self.request_id.name.clone(),
                },
                approved,
                reviewed_by: reviewed_by.unwrap_or(by_phase::NOBODY).to_owned(),
                reviewed_at: Time(ruling::moment_after(self.ruling, self.now)),
                reason: Some(by_phase::REASON.to_owned()),
                message: None,
            },
            owner: ruling::owner_reference(request),
        })
    }
}

/// The phase that goes with the conditions beside it: such a phase was written
/// by the controller and says nothing new.
fn mirrored(conditions: &[Condition]) -> Option<Phase> {
    conditions
        .iter()
        .find_map(|condition| match condition.type_.as_str() {
            kind::APPROVED | kind::EXPIRED => Some(Phase::Approved),
            kind::DENIED => Some(Phase::Rejected),
            kind::FAILED | kind::PENDING => Some(Phase::Pending),
            _ => None,
        })
}
