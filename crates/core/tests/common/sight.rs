//! What can the controller know of? Every kind is followed by a watch of its own,
//! which may break off, go on, list anew, or never have listed. Enforcement Secrets are
//! watched where Kuadrant is; of an earlier place it remembers what it saw, until it
//! starts anew.

use std::collections::BTreeMap;

use devportal_core::Id;
use devportal_mirror::{Scope, Trouble};

use super::cluster::{Cluster, ENFORCEMENT, KINDS, Name, STRAY, Secret, Seen, Whole};
use super::hands::pair;
use super::simulation::Simulation;

/// How the watch of a kind is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Watch {
    #[default]
    Up,
    /// Broken off after it had listed: it goes on where it was.
    Broken,
    /// It has not listed anything.
    Blind,
}

/// The watches that are not up.
pub type Watches = BTreeMap<&'static str, Watch>;

impl Simulation {
    pub fn watches(&self, secret: &Name) -> bool {
        self.watched.as_ref() == Some(&secret.0)
    }

    fn watch_of(&self, kind: &str) -> Watch {
        self.watch.get(kind).copied().unwrap_or_default()
    }

    /// Whether a watch shows this at all.
    pub fn shows(&self, seen: &Seen) -> bool {
        let (kind, name) = &seen.object;
        let is_secret = *kind == ENFORCEMENT || *kind == STRAY;
        self.watch_of(kind) != Watch::Blind && (!is_secret || self.watches(name))
    }

    /// Whether the watch of a kind delivers now.
    pub fn is_up(&self, kind: &str) -> bool {
        self.watch_of(kind) == Watch::Up
    }

    fn scope_of(&self, kind: &str) -> Option<Scope> {
        if kind == ENFORCEMENT || kind == STRAY {
            self.watched.clone().map(Scope::Namespace)
        } else {
            Some(Scope::Cluster)
        }
    }

    fn told(&mut self, kind: &'static str, whole: Whole) {
        self.note(Cluster::of_kind(kind, whole));
    }

    /// The watch of a kind breaks off, or does not come up.
    pub fn lose(&mut self, kind: &'static str, trouble: Trouble) {
        let Some(scope) = self.scope_of(kind) else {
            return;
        };
        let now = self.cluster.now;
        self.take_events();
        // A list that was not finished begins anew.
        if self.lists.remove(kind).is_some() {
            self.watch.insert(kind, Watch::Blind);
        }
        if self.watch_of(kind) == Watch::Up {
            self.watch.insert(kind, Watch::Broken);
        }
        self.told(kind, Whole::Lost(scope, trouble, now));
    }

    /// The watch of a kind goes on where it was; or lists anew, also where it never
    /// listed.
    pub fn regain(&mut self, kind: &'static str, anew: bool) {
        let watch = self.watch_of(kind);
        self.take_events();
        self.watch.remove(kind);
        let Some(scope) = self.scope_of(kind) else {
            return;
        };
        if anew || watch == Watch::Blind {
            self.list(kind);
        } else if watch == Watch::Broken {
            self.told(kind, Whole::Resumed(scope));
        }
    }

    /// Lists a kind; what it does not show has ended.
    pub fn list(&mut self, kind: &'static str) {
        let Some(scope) = self.scope_of(kind) else {
            return;
        };
        self.take_events();
        self.lists.remove(kind);
        self.queues.retain(|(it, _), _| *it != kind);
        let mut listed = self.cluster.list(kind);
        listed.retain(|seen| self.shows(seen));
        let begins = Cluster::of_kind(kind, Whole::Begins(scope.clone()));
        let ends = Cluster::of_kind(kind, Whole::Ends(scope, self.cluster.counter));
        let listed = listed.into_iter().map(|seen| seen.change);
        let told = std::iter::once(begins).chain(listed).chain([ends]);
        if self.dice.is_some() {
            // What is listed in foul weather is old before the list ends.
            self.lists.insert(kind, told.collect());
        } else {
            for change in told {
                self.note(change);
            }
        }
    }

    /// Enforcement Secrets are watched where Kuadrant is: a new watch lists.
    pub(super) fn follow_kuadrant(&mut self) {
        let is_listed = self.world.kuadrants().sight(&Scope::Cluster).is_listed();
        let now = self.world.kuadrant_namespace().map(str::to_owned);
        if now == self.watched || !is_listed {
            return;
        }
        let before = std::mem::replace(&mut self.watched, now);
        if let Some(before) = before.map(Scope::Namespace) {
            for kind in [ENFORCEMENT, STRAY] {
                self.lists.remove(kind);
                self.queues.retain(|(it, _), _| *it != kind);
                self.told(kind, Whole::Left(before.clone()));
            }
        }
        for kind in [ENFORCEMENT, STRAY] {
            if self.watch_of(kind) != Watch::Blind {
                self.watch.remove(kind);
                self.list(kind);
            }
        }
    }

    /// Everything that is down comes up again.
    pub fn regain_all(&mut self) {
        for kind in self.watch.clone().into_keys() {
            self.regain(kind, false);
        }
    }

    /// Every kind that is listed.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.into_iter().chain([ENFORCEMENT, STRAY])
    }

    /// Whether a Secret is where Kuadrant was when this controller did not run: it
    /// knows nothing of it.
    pub fn is_out_of_sight(&self, secret: &Name) -> bool {
        let id = devportal_api::id::SecretId::new(&secret.0, &secret.1);
        !self.watches(secret) && self.world.credentials().find(&id).is_none()
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
