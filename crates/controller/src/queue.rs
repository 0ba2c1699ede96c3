//! What is to be looked at next?
//!
//! Three lanes: taking access away overtakes everything, and what only tells of an
//! approval lets everything pass. What was begun is finished before anything else is
//! begun, so that under load some keys are done early and not all of them late; and a
//! product goes before keys, of which there may be thousands. One id is never run twice at a time; what becomes dirty while it
//! runs is run again after. When something that failed is tried again is not known
//! here: [`brake`](devportal_core::brake).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use devportal_core::{Id, Write};
use jiff::Timestamp;

/// Slots that only revocations may take.
const RESERVED: usize = 4;

/// Which lane an id waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Takes access away.
    Revoke,
    /// Everything else about keys and products.
    Other,
    /// Tells of approvals, and notes what they cover: only a change of the same key's
    /// request waits for it.
    Tell,
}

/// Where in its lane an id waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// In front: it was begun.
    Next,
    /// Behind all others.
    Last,
}

impl Lane {
    /// The lane of what is decided together: that of the most urgent.
    pub(crate) fn of<'a>(writes: impl IntoIterator<Item = &'a Write>) -> Self {
        let lane = |write: &Write| match write {
            write if write.revokes() => Self::Revoke,
            Write::ApprovalStatus(..) => Self::Tell,
            _ => Self::Other,
        };
        writes.into_iter().map(lane).min().unwrap_or(Self::Tell)
    }
}

/// Ids that wait, run, or sleep.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: usize,
    waiting: BTreeMap<Lane, VecDeque<Id>>,
    lanes: HashMap<Id, Lane>,
    running: HashSet<Id>,
    /// When a decision wants to be made again.
    wakes: Alarms,
}

impl Queue {
    /// A queue for this many ids at a time.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            waiting: BTreeMap::new(),
            lanes: HashMap::new(),
            running: HashSet::new(),
            wakes: Alarms::default(),
        }
    }

    /// Whether an id runs now.
    pub(crate) fn is_running(&self, id: &Id) -> bool {
        self.running.contains(id)
    }

    /// Puts an id in a lane; one that waits in the slower lane is promoted.
    pub(crate) fn push(&mut self, id: Id, lane: Lane, turn: Turn) {
        // The stale entry in a slower lane is skipped when it is popped.
        if self.lanes.get(&id).is_some_and(|have| *have <= lane) {
            return;
        }
        let waiting = self.waiting.entry(lane).or_default();
        match turn {
            Turn::Last if !matches!(id, Id::Product(_)) => waiting.push_back(id.clone()),
            Turn::Next | Turn::Last => waiting.push_front(id.clone()),
        }
        self.lanes.insert(id, lane);
    }

    /// The next id to run, if there is a slot for it.
    pub(crate) fn pop(&mut self) -> Option<Id> {
        let free = self.slots.saturating_sub(self.running.len());
        let reserved = RESERVED.min(self.slots - 1);
        let is_open = |lane: Lane| match lane {
            Lane::Revoke => free > 0,
            Lane::Other | Lane::Tell => free > reserved,
        };
        let open = self.waiting.iter_mut().filter(|(lane, _)| is_open(**lane));
        for (lane, ids) in open {
            while let Some(id) = ids.pop_front() {
                if self.lanes.get(&id) == Some(lane) {
                    self.lanes.remove(&id);
                    self.running.insert(id.clone());
                    return Some(id);
                }
            }
        }
        None
    }

    /// An id is not written any more.
    pub(crate) fn done(&mut self, id: &Id) {
        self.running.remove(id);
    }

    /// Sets when the decision on an id is to be made again, or clears it.
    pub(crate) fn wake(&mut self, id: &Id, at: Option<Timestamp>) {
        self.wakes.set(id, at);
    }

    /// When the next alarm is.
    pub(crate) fn next_alarm(&self) -> Option<Timestamp> {
        self.wakes.next()
    }

    /// The ids whose alarm is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Id> {
        self.wakes.due(now)
    }

    /// How many ids wait in a lane.
    pub(crate) fn waiting_in(&self, lane: Lane) -> usize {
        self.lanes.values().filter(|it| **it == lane).count()
    }

    /// How many ids wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.len()
    }
}

/// One time for each id, in order.
#[derive(Debug, Default)]
struct Alarms {
    ids: BTreeMap<Timestamp, BTreeSet<Id>>,
    of: HashMap<Id, Timestamp>,
}

impl Alarms {
    fn set(&mut self, id: &Id, at: Option<Timestamp>) {
        if let Some(old) = self.of.remove(id)
            && let Some(ids) = self.ids.get_mut(&old)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.ids.remove(&old);
            }
        }
        if let Some(at) = at {
            self.of.insert(id.clone(), at);
            self.ids.entry(at).or_default().insert(id.clone());
        }
    }

    fn next(&self) -> Option<Timestamp> {
        self.ids.keys().next().copied()
    }

    fn due(&mut self, now: Timestamp) -> Vec<Id> {
        let later = self.ids.split_off(&(now + Duration::from_nanos(1)));
        let due: Vec<Id> = std::mem::replace(&mut self.ids, later)
            .into_values()
            .flatten()
            .collect();
        for id in &due {
            self.of.remove(id);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::{KeyId, ProductId};

    fn id(name: &str) -> Id {
        Id::Key(KeyId::new("ns", name))
    }

    #[test]
    fn a_revocation_overtakes_a_burst_of_new_keys() {
        let mut queue = Queue::new(8);
        for n in 0..1000 {
            queue.push(id(&n.to_string()), Lane::Other, Turn::Last);
        }
        queue.push(id("revoked"), Lane::Revoke, Turn::Last);
        assert_eq!(queue.pop(), Some(id("revoked")));
    }

    #[test]
    fn what_a_product_says_waits_for_no_burst_of_new_keys() {
        let mut queue = Queue::new(8);
        for n in 0..1000 {
            queue.push(id(&n.to_string()), Lane::Other, Turn::Last);
        }
        let product = Id::Product(ProductId::new("ns", "api"));
        queue.push(product.clone(), Lane::Other, Turn::Last);
        assert_eq!(queue.pop(), Some(product));
    }

    #[test]
    fn what_only_tells_of_approvals_waits_for_everything_else() {
        let mut queue = Queue::new(8);
        queue.push(id("told"), Lane::Tell, Turn::Last);
        queue.push(id("new"), Lane::Other, Turn::Last);
        queue.push(id("revoked"), Lane::Revoke, Turn::Last);
        assert_eq!(queue.pop(), Some(id("revoked")));
        assert_eq!(queue.pop(), Some(id("new")));
        assert_eq!(queue.pop(), Some(id("told")));
    }

    #[test]
    fn what_was_begun_is_finished_before_anything_else_is_begun() {
        let mut queue = Queue::new(8);
        queue.push(id("first"), Lane::Other, Turn::Last);
        queue.push(id("second"), Lane::Other, Turn::Last);
        assert_eq!(queue.pop(), Some(id("first")));
        queue.done(&id("first"));
        queue.push(id("first"), Lane::Other, Turn::Next);
        assert_eq!(queue.pop(), Some(id("first")));
        assert_eq!(queue.pop(), Some(id("second")));
    }

    #[test]
    fn a_burst_of_new_keys_leaves_room_for_revocations() {
        let mut queue = Queue::new(8);
        for n in 0..1000 {
            queue.push(id(&n.to_string()), Lane::Other, Turn::Last);
        }
        while queue.pop().is_some() {}
        queue.push(id("revoked"), Lane::Revoke, Turn::Last);
        assert_eq!(queue.pop(), Some(id("revoked")));
    }

    #[test]
    fn an_id_that_turns_into_a_revocation_is_promoted_and_run_once() {
        let mut queue = Queue::new(8);
        queue.push(id("first"), Lane::Other, Turn::Last);
        queue.push(id("second"), Lane::Other, Turn::Last);
        queue.push(id("second"), Lane::Revoke, Turn::Last);
        assert_eq!(queue.pop(), Some(id("second")));
        assert_eq!(queue.pop(), Some(id("first")));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn an_alarm_rings_once_and_on_time() {
        let mut queue = Queue::new(8);
        let at = Timestamp::UNIX_EPOCH + Duration::from_secs(5);
        queue.wake(&id("key"), Some(at));
        assert!(queue.due(at - Duration::from_millis(1)).is_empty());
        assert_eq!(queue.due(at), [id("key")]);
        assert!(queue.due(at).is_empty());
        assert_eq!(queue.next_alarm(), None);
    }
}
