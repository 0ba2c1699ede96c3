//! A portal: shows the value of a key once, and lets owners decide on what it showed.

use std::collections::{BTreeMap, BTreeSet};

use devportal_api::APIKey;
use devportal_api::key::LiveCredential;
use devportal_api::name::annotation;
use kube::{Resource, ResourceExt};

use super::cluster::{Cluster, Name, digest};
use super::fixture::request_id;
use super::hands::pair;

/// What a portal knows, and what became of values.
#[derive(Clone, Debug, Default)]
pub struct Portal {
    /// Keys as they were when somebody looked.
    keys: BTreeMap<Name, APIKey>,
    /// The terms of their requests at that time.
    pub terms: BTreeMap<Name, String>,
    /// The digests that were claimed.
    pub claimed: BTreeSet<String>,
    /// The values that were shown.
    pub shown: BTreeSet<String>,
    /// The digests that were ever told, and those that were offered after they had been
    /// told: nobody knows any more whether they were shown.
    pub told: BTreeSet<String>,
    pub came_back: BTreeSet<String>,
    /// The digests of what may lie where nobody looks any more, and be found again.
    left_behind: BTreeSet<String>,
}

impl Portal {
    /// Kuadrant moves, and its Secrets do not.
    pub fn leave_behind(&mut self) {
        self.left_behind.extend(self.told.iter().cloned());
    }

    /// Whether a value could be shown once already, if not now.
    pub fn was_offered(&self, digest: &str) -> bool {
        let sets = [&self.claimed, &self.came_back, &self.left_behind];
        sets.iter().any(|it| it.contains(digest))
    }
}

/// Which value the status of a key offers.
pub fn offered(key: &APIKey) -> Option<&str> {
    let current: &LiveCredential = key.status.as_ref()?.credentials.last()?;
    current.digest.as_deref()
}

impl Cluster {
    /// Somebody opens the page of a key.
    pub fn look(&mut self, name: &Name) {
        if let Some(key) = self.keys.get(name) {
            self.portal.keys.insert(name.clone(), key.clone());
        }
        let id = request_id(&name.1);
        if let Some(request) = self.requests.get(&pair(&id.namespace, &id.name)) {
            self.portal.terms.insert(name.clone(), request.terms());
        }
    }

    /// Somebody asks for the value on a page that may be old. Nobody is shown a value
    /// twice, and nobody another than was claimed.
    pub fn claim(&mut self, name: &Name) -> Option<String> {
        let seen = self.portal.keys.get(name)?;
        let digest_offered = offered(seen)?.to_owned();
        let version = |key: &APIKey| (key.uid(), key.meta().resource_version.clone());
        let can_read = seen.status.as_ref()?.can_read_secret == Some(true);
        let is_current = self.keys.get(name).map(version) == Some(version(seen));
        if !seen.is_shown_once() || !can_read || !is_current {
            return None;
        }
        let key = self.edit::<APIKey>(name, |it| {
            it.status.as_mut().unwrap().can_read_secret = Some(false);
        })?;
        let is_new = self.portal.claimed.insert(digest_offered.clone());
        let is_new = is_new || self.portal.left_behind.contains(&digest_offered);
        assert!(is_new, "{name:?}: {digest_offered} is offered twice");
        let mut secrets = self.secrets.values().filter(|it| {
            it.is_enforcement() && it.annotations.get(annotation::KEY_UID) == key.uid().as_ref()
        });
        let value = secrets.find_map(|it| {
            let value = it.value.as_ref()?;
            (digest(value) == digest_offered).then(|| value.clone())
        })?;
        self.portal.shown.insert(value.clone());
        Some(value)
    }

    /// Notes which value a status is about to tell of.
    pub fn note_told(&mut self, seen: Option<&APIKey>, next: &[LiveCredential]) {
        let Some(digest) = next.last().and_then(|it| it.digest.clone()) else {
            return;
        };
        let before = seen.and_then(offered);
        if before != Some(&digest) && self.portal.told.contains(&digest) {
            self.portal.came_back.insert(digest);
        }
        let told = next.iter().filter_map(|it| it.digest.clone());
        self.portal.told.extend(told);
    }
}
