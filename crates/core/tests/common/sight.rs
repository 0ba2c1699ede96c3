//! What can the controller know of? Enforcement Secrets are watched where Kuadrant
//! is; of an earlier place it remembers what it saw, until it starts anew.

use devportal_core::Id;
use devportal_core::world::Listed;

use super::cluster::{self, Name, Secret, Seen};
use super::hands::pair;
use super::simulation::Simulation;

impl Simulation {
    pub fn watches(&self, secret: &Name) -> bool {
        self.watched.as_ref() == Some(&secret.0)
    }

    /// Whether a watch shows this.
    pub fn shows(&self, seen: &Seen) -> bool {
        seen.object.0 != cluster::ENFORCEMENT || self.watches(&seen.object.1)
    }

    /// Enforcement Secrets are watched where Kuadrant is: a new watch lists, and
    /// knows what was told of the place before.
    pub(super) fn follow_kuadrant(&mut self) {
        let now = self.world.kuadrant_namespace().map(str::to_owned);
        if now == self.watched {
            return;
        }
        self.watched = now;
        let there = self.watched.clone().map(Listed::EnforcementSecrets);
        let roll = there.map(|list| self.world.roll(&list)).unwrap_or_default();
        let gone: Vec<_> = (roll.into_iter())
            .filter(|(name, _)| !self.cluster.secrets.contains_key(name))
            .map(|(name, change)| Seen {
                change,
                ..cluster::enforcement(&name, None)
            })
            .collect();
        let listed = self.cluster.list();
        let listed = listed
            .into_iter()
            .filter(|seen| seen.object.0 == cluster::ENFORCEMENT && self.shows(seen));
        for seen in listed.chain(gone).collect::<Vec<_>>() {
            let queue = self.queues.entry(seen.object.clone()).or_default();
            queue.push_back(seen);
        }
    }

    /// Whether a Secret is where Kuadrant was when this controller did not run: it
    /// knows nothing of it.
    pub fn is_out_of_sight(&self, secret: &Name) -> bool {
        let namespace = Listed::EnforcementSecrets(secret.0.clone());
        !self.watches(secret) && !self.world.roll(&namespace).contains_key(secret)
    }

    /// Whether it knows of Secrets where Kuadrant was: one that starts now would not.
    pub fn remembers_an_earlier_place(&self) -> bool {
        let keys = self.world.everything().into_iter();
        keys.filter_map(|id| match id {
            Id::Key(key) => Some(key),
            Id::Product(_) | Id::Approval(_) => None,
        })
        .any(|key| {
            let mut secrets = self.world.enforcement_of(&key);
            secrets.any(|(id, _)| !self.watches(&pair(&id.namespace, &id.name)))
        })
    }

    /// The enforcement Secrets of a key that the controller can know of.
    pub fn in_sight(&self, key: &str) -> Vec<(&Name, &Secret)> {
        let mut all = self.enforced(key);
        all.retain(|(name, _)| !self.is_out_of_sight(name));
        all
    }
}
