//! When does `status.phase` hold a decision? In the first generation of the API an
//! owner decided by patching it.
//!
//! Where that is switched on, every such patch becomes an approval. A key that version
//! 0.1 left behind keeps what was decided then, once: it has a phase and none of the
//! conditions that every later controller writes. From there on nothing is special
//! about either.

use devportal_api::condition::{by_phase, kind};
use devportal_api::key::Phase;
use devportal_api::name;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::record::Verdict;
use super::{Case, ruling};
use crate::change::Source;
use crate::decide::credential;
use crate::decision::Write;

impl Case<'_> {
    /// The decision that a patched phase holds and no approval does yet.
    pub(super) fn decide_by_phase(&self) -> Option<Write> {
        if !self.world.settings().phase_decides {
            return None;
        }
        let status = self.key.status.as_ref()?;
        let phase = status.phase.as_ref()?;
        let approved = is_approved(*phase)?;
        let is_mirror = mirrored(&status.conditions).contains(phase);
        let is_known = (self.ruling()).is_some_and(|ruling| ruling.spec.approved == approved);
        if is_mirror || is_known {
            return None;
        }
        let at = ruling::moment_after(self.request, self.key, self.world, self.now);
        self.write_phase(approved, at, by_phase::REASON)
    }

    /// The decision that version 0.1 left in the status.
    pub(super) fn inherit(&self) -> Option<Write> {
        let status = self.key.status.as_ref()?;
        let approved = self.inheritance()?;
        if approved && !self.has_inherited_secret() {
            return None;
        }
        // Told each time alike: it is written again where it does not count.
        let created = self.key.metadata.creation_timestamp.as_ref();
        let at = status.reviewed_at.as_ref().or(created);
        let at = at.map_or(self.now, |at| at.0);
        self.write_phase(approved, at, by_phase::INHERITED)
    }

    /// Whether the status is still to be read as a decision of version 0.1: until then
    /// nothing is written over it.
    pub(super) fn awaits_inheritance(&self) -> bool {
        match self.inheritance() {
            Some(true) => {
                let source = self.world.find_source(&self.key.source_secret());
                let is_unread = self.is_source_unread() || source == Some(&Source::Forbidden);
                self.has_inherited_secret() || is_unread
            }
            Some(false) => true,
            None => false,
        }
    }

    /// What version 0.1 left, while no decision is known that took its place.
    pub(super) fn inheritance(&self) -> Option<bool> {
        let status = self.key.status.as_ref()?;
        let is_untouched = self.ruling().is_none() && mirrored(&status.conditions).is_empty();
        status.phase.filter(|_| is_untouched).and_then(is_approved)
    }

    /// What version 0.1 made on approval, and nobody without a right to write Secrets
    /// and statuses could: owned by this very key, and read by the gateway.
    fn has_inherited_secret(&self) -> bool {
        let source = self.world.find_source(&self.key.source_secret());
        matches!(source, Some(Source::Is(facts)) if credential::is_inherited(facts, self.key))
    }

    fn write_phase(
        &self,
        approved: bool,
        at: jiff::Timestamp,
        reason: &'static str,
    ) -> Option<Write> {
        let id = self.approval_named(name::phase_approval)?;
        let status = self.key.status.as_ref()?;
        let reviewer = status.reviewed_by.as_deref().filter(|by| !by.is_empty());
        self.decide_as(
            id,
            Verdict {
                approved,
                reviewed_by: reviewer.unwrap_or(by_phase::NOBODY).to_owned(),
                reviewed_at: at,
                reason,
                message: None,
            },
        )
    }
}

fn is_approved(phase: Phase) -> Option<bool> {
    match phase {
        Phase::Approved => Some(true),
        Phase::Rejected => Some(false),
        Phase::Pending => None,
    }
}

/// The phases that go with the conditions beside them: such a phase was written by the
/// controller and says nothing new. Earlier versions said of what is over that it was
/// approved.
fn mirrored(conditions: &[Condition]) -> &'static [Phase] {
    let found = conditions
        .iter()
        .find_map(|condition| match condition.type_.as_str() {
            kind::APPROVED => Some(&[Phase::Approved][..]),
            kind::DENIED => Some(&[Phase::Rejected][..]),
            kind::EXPIRED => Some(&[Phase::Rejected, Phase::Approved][..]),
            kind::FAILED | kind::PENDING => Some(&[Phase::Pending][..]),
            _ => None,
        });
    found.unwrap_or_default()
}
