//! How many keys stand how? Counted as they change, for metrics.

use std::collections::{BTreeMap, BTreeSet};

use devportal_api::APIKey;
use devportal_api::condition::{awaits_decision, is_unenforced, kind};
use devportal_api::id::KeyId;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The lifecycle conditions, of which a key has one.
pub const STATES: [&str; 5] = [
    kind::PENDING,
    kind::APPROVED,
    kind::DENIED,
    kind::FAILED,
    kind::EXPIRED,
];

/// How approved keys are counted by their condition `Enforced`: by its status, and apart those
/// that nothing limits because there are no plans.
pub const ENFORCED: [&str; 4] = ["True", "False", "Unknown", NO_PLANS];
const NO_PLANS: &str = "NoPlans";

/// Counts of keys, as their statuses tell.
#[derive(Debug, Default)]
pub struct Tally {
    states: BTreeMap<&'static str, usize>,
    enforced: BTreeMap<&'static str, usize>,
    waiting: BTreeSet<(Timestamp, KeyId)>,
    outstanding: usize,
}

/// How one key counts.
#[derive(PartialEq, Eq)]
struct Standing {
    state: &'static str,
    /// Of an approved key.
    enforced: Option<&'static str>,
    waits_since: Option<Timestamp>,
    is_outstanding: bool,
}

impl Tally {
    /// Keys in a lifecycle state.
    pub fn in_state(&self, state: &str) -> usize {
        self.states.get(state).copied().unwrap_or_default()
    }

    /// Approved keys, by one of [`ENFORCED`].
    pub fn enforced(&self, status: &str) -> usize {
        self.enforced.get(status).copied().unwrap_or_default()
    }

    /// Keys that are to open nothing, and of which a credential is left that does not go.
    pub fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// How many keys wait for a decision.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Since when the key waits for a decision that waits longest.
    pub fn waits_since(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(since, _)| *since)
    }

    pub(super) fn change(&mut self, id: &KeyId, old: Option<&APIKey>, new: Option<&APIKey>) {
        let (old, new) = (old.map(Standing::of), new.map(Standing::of));
        if old == new {
            return;
        }
        for (standing, is_new) in [(old, false), (new, true)] {
            let Some(standing) = standing else {
                continue;
            };
            let add = |count: &mut usize| {
                *count = if is_new {
                    *count + 1
                } else {
                    count.saturating_sub(1)
                };
            };
            add(self.states.entry(standing.state).or_default());
            if standing.is_outstanding {
                add(&mut self.outstanding);
            }
            if let Some(status) = standing.enforced {
                add(self.enforced.entry(status).or_default());
            }
            if let Some(since) = standing.waits_since {
                let waits = (since, id.clone());
                if is_new {
                    self.waiting.insert(waits);
                } else {
                    self.waiting.remove(&waits);
                }
            }
        }
    }
}

impl Standing {
    fn of(key: &APIKey) -> Self {
        let conditions = key.status.as_ref().map_or(&[][..], |it| &it.conditions);
        let find = |name: &str| conditions.iter().find(|it| it.type_ == name);
        let is_true = |it: &&Condition| it.status == "True";
        // Of a key that nothing is told of yet nobody has decided.
        let state = STATES.into_iter();
        let mut state = state.filter(|it| find(it).as_ref().is_some_and(is_true));
        let state = state.next().unwrap_or(kind::PENDING);
        let enforced = find(kind::ENFORCED).map_or("Unknown", |it| match it.reason.as_str() {
            NO_PLANS => NO_PLANS,
            _ if !is_unenforced(it) => "True",
            _ => &it.status,
        });
        let enforced = ENFORCED.into_iter().find(|it| *it == enforced);
        let is_refused = |it: &Condition| it.reason == "RevocationRefused";
        Self {
            is_outstanding: find(kind::ENFORCED).is_some_and(is_refused),
            state,
            enforced: (state == kind::APPROVED).then_some(enforced.unwrap_or("Unknown")),
            waits_since: awaits_decision(conditions).map(|it| it.last_transition_time.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn key(conditions: &[(&str, &str, &str)]) -> APIKey {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({"type": kind, "status": status, "reason": reason, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z"})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "devportal.kuadrant.io/v1alpha1", "kind": "APIKey",
            "metadata": {"name": "k", "namespace": "ns"},
            "spec": {"apiProductRef": {"name": "p"}, "planTier": "gold",
                "requestedBy": {"userId": "alice", "email": "a@example.com"}},
            "status": {"conditions": conditions},
        }))
        .unwrap()
    }

    #[test]
    fn a_key_counts_once_wherever_it_goes() {
        let id = KeyId::new("ns", "k");
        let mut tally = Tally::default();
        let mut old: Option<APIKey> = None;
        let mut become_ = |new: Option<APIKey>, tally: &mut Tally| {
            tally.change(&id, old.as_ref(), new.as_ref());
            old = new;
        };
        become_(Some(key(&[])), &mut tally);
        assert_eq!((tally.in_state("Pending"), tally.waiting()), (1, 0));
        become_(
            Some(key(&[("Pending", "True", "AwaitingApproval")])),
            &mut tally,
        );
        assert_eq!((tally.in_state("Pending"), tally.waiting()), (1, 1));
        assert!(tally.waits_since().is_some());
        let approved = ("Approved", "True", "Approved");
        become_(Some(key(&[approved])), &mut tally);
        assert_eq!(
            (tally.in_state("Pending"), tally.in_state("Approved")),
            (0, 1)
        );
        assert_eq!((tally.waiting(), tally.waits_since()), (0, None));
        assert_eq!(tally.enforced("Unknown"), 1);
        let changed = ("ChangeApproved", "False", "AwaitingReapproval");
        become_(Some(key(&[approved, changed])), &mut tally);
        assert_eq!((tally.in_state("Approved"), tally.waiting()), (1, 1));
        for (status, reason, counted) in [
            ("True", "Enforced", "True"),
            ("False", "NoPlans", "NoPlans"),
            ("False", "UnknownTier", "False"),
            // What was approved is enforced.
            ("False", "AwaitingReapproval", "True"),
        ] {
            let told = key(&[approved, ("Enforced", status, reason)]);
            become_(Some(told), &mut tally);
            let all = ENFORCED.map(|it| (it, tally.enforced(it)));
            assert!(
                all.iter()
                    .all(|(it, keys)| *keys == usize::from(*it == counted)),
                "{all:?}"
            );
        }
        let denied = [
            ("Denied", "True", "Denied"),
            ("Enforced", "True", "RevocationRefused"),
        ];
        become_(Some(key(&denied)), &mut tally);
        assert_eq!((tally.in_state("Denied"), tally.outstanding()), (1, 1));
        assert_eq!(ENFORCED.map(|it| tally.enforced(it)), [0; 4]);
        become_(None, &mut tally);
        assert_eq!(STATES.map(|it| tally.in_state(it)), [0; 5]);
        assert_eq!(tally.outstanding(), 0);
    }
}
