//! May a portal show the value of a key?
//!
//! A key that is shown once is shown by whoever sets `status.canReadSecret` to false in
//! the version of the status that told of the value. Which values were told before is
//! in the status as well: no value is told anew.

use devportal_api::APIKey;
use devportal_api::key::LiveCredential;

use super::Case;
use crate::decide::credential;
use crate::world::World;

impl Case<'_> {
    /// What opens the API now. It stays as it was told while nobody sees it; of a key that is
    /// shown once also without a Kuadrant: otherwise it would come back as news.
    pub(super) fn credentials(&self) -> Vec<LiveCredential> {
        let is_seen = match self.world.kuadrant_namespace() {
            Some(namespace) => self.world.credentials().is_listed(namespace),
            None => !self.key.is_shown_once() && World::unseen(self.world.kuadrants()).is_none(),
        };
        if !is_seen {
            return self.told();
        }
        credential::live(self.id, self.key, self.world, self.now)
    }

    /// Whether a portal may read the value: what a portal wrote, but for another value
    /// of a key that is shown once. One that a rotation brings back was there to be shown
    /// before.
    pub(super) fn can_read(&self, live: &[LiveCredential]) -> Option<bool> {
        let status = self.key.status.as_ref();
        let before = status.and_then(|status| status.can_read_secret);
        let is_current = |it: &&LiveCredential| it.revision == self.key.revision();
        let current = live.last().filter(is_current);
        let Some(current) = current.and_then(|it| it.digest.as_deref()) else {
            return before;
        };
        let is_kept = ["status.credentials", "status.credentials.digest"]
            .iter()
            .all(|field| self.world.keeps::<APIKey>(field));
        if !self.key.is_shown_once() || !is_kept {
            return before;
        }
        let told = self.told();
        let mut told = told.iter().rev().map(|it| it.digest.as_deref());
        if told.next() == Some(Some(current)) {
            return before;
        }
        Some(told.all(|it| it != Some(current)))
    }

    /// The credentials that the status tells of, also where a time of theirs cannot be
    /// read.
    pub(super) fn told(&self) -> Vec<LiveCredential> {
        let flaw = self.flaw.filter(|it| it.has_hole("status.credentials"));
        let Some(flaw) = flaw else {
            let status = self.key.status.as_ref();
            return status.map_or_else(Vec::new, |it| it.credentials.clone());
        };
        let told = flaw.raw.pointer("/status/credentials");
        let told = told.and_then(|it| it.as_array()).into_iter().flatten();
        told.filter_map(|it| {
            let mut it = it.clone();
            let fields = it.as_object_mut()?;
            fields.retain(|name, _| !["createdAt", "endsAt"].contains(&&**name));
            serde_json::from_value(it).ok()
        })
        .collect()
    }
}
