//! What is to be looked at next?
//!
//! Two lanes: taking access away overtakes giving it. One id is never run twice
//! at a time; what becomes dirty while it runs is run again after. A failing id
//! waits by itself, longer each time, and holds nobody else up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use devportal_core::Id;
use jiff::Timestamp;

/// How long a failed id waits the first time; doubled each time after.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest a failed id waits.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Slots that only revocations may take.
const RESERVED: usize = 4;

/// Which lane an id waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Takes access away.
    Revoke,
    /// Everything else.
    Other,
}

/// Ids that wait, run, or sleep.
#[derive(Debug)]
pub(crate) struct Queue {
    slots: usize,
    revoke: VecDeque<Id>,
    other: VecDeque<Id>,
    lanes: HashMap<Id, Lane>,
    running: HashSet<Id>,
    dirtied_while_running: HashSet<Id>,
    failures: HashMap<Id, u32>,
    alarms: BTreeMap<Timestamp, BTreeSet<Id>>,
    alarm_of: HashMap<Id, Timestamp>,
}

impl Queue {
    /// A queue for this many ids at a time.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            revoke: VecDeque::new(),
            other: VecDeque::new(),
            lanes: HashMap::new(),
            running: HashSet::new(),
            dirtied_while_running: HashSet::new(),
            failures: HashMap::new(),
            alarms: BTreeMap::new(),
            alarm_of: HashMap::new(),
        }
    }

    /// Whether an id runs now: it is looked at again when it is done.
    pub(crate) fn is_running(&mut self, id: &Id) -> bool {
        let is_running = self.running.contains(id);
        if is_running {
            self.dirtied_while_running.insert(id.clone());
        }
        is_running
    }

    /// Whether an id sleeps off a failure: nothing but its alarm wakes it.
    pub(crate) fn is_backing_off(&self, id: &Id) -> bool {
        self.failures.contains_key(id) && self.alarm_of.contains_key(id)
    }

    /// Puts an id in a lane; one that waits in the slower lane is promoted.
    pub(crate) fn push(&mut self, id: Id, lane: Lane) {
        match (self.lanes.get(&id), lane) {
            (Some(Lane::Revoke), _) | (Some(Lane::Other), Lane::Other) => return,
            // The stale entry in the other lane is skipped when it is popped.
            (Some(Lane::Other), Lane::Revoke) | (None, _) => {}
        }
        match lane {
            Lane::Revoke => self.revoke.push_back(id.clone()),
            Lane::Other => self.other.push_back(id.clone()),
        }
        self.lanes.insert(id, lane);
    }

    /// The next id to run, if there is a slot for it.
    pub(crate) fn pop(&mut self) -> Option<Id> {
        let free = self.slots.saturating_sub(self.running.len());
        let id = if free == 0 {
            None
        } else if let Some(id) = self.revoke.pop_front() {
            Some(id)
        } else if free > RESERVED.min(self.slots - 1) {
            self.next_other()
        } else {
            None
        }?;
        self.lanes.remove(&id);
        self.running.insert(id.clone());
        Some(id)
    }

    fn next_other(&mut self) -> Option<Id> {
        while let Some(id) = self.other.pop_front() {
            if self.lanes.get(&id) == Some(&Lane::Other) {
                return Some(id);
            }
        }
        None
    }

    /// An id is done. Answers whether it must be looked at again.
    pub(crate) fn succeeded(&mut self, id: &Id) -> bool {
        self.running.remove(id);
        self.failures.remove(id);
        self.dirtied_while_running.remove(id)
    }

    /// An id failed: it sleeps, and is woken by its alarm.
    pub(crate) fn failed(&mut self, id: &Id, now: Timestamp, jitter: f64) {
        self.running.remove(id);
        self.dirtied_while_running.remove(id);
        let failures = self.failures.entry(id.clone()).or_default();
        let wait = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(*failures))
            .min(LONGEST_WAIT);
        *failures += 1;
        let wait = wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) * 0.2);
        self.wake(id, Some(now + wait));
    }

    /// Sets the one alarm of an id, or clears it.
    pub(crate) fn wake(&mut self, id: &Id, at: Option<Timestamp>) {
        if let Some(old) = self.alarm_of.remove(id)
            && let Some(ids) = self.alarms.get_mut(&old)
        {
            ids.remove(id);
            if ids.is_empty() {
                self.alarms.remove(&old);
            }
        }
        if let Some(at) = at {
            self.alarm_of.insert(id.clone(), at);
            self.alarms.entry(at).or_default().insert(id.clone());
        }
    }

    /// When the next alarm is.
    pub(crate) fn next_alarm(&self) -> Option<Timestamp> {
        self.alarms.keys().next().copied()
    }

    /// The ids whose alarm is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Id> {
        let later = self.alarms.split_off(&(now + Duration::from_nanos(1)));
        let due: Vec<Id> = std::mem::replace(&mut self.alarms, later)
            .into_values()
            .flatten()
            .collect();
        for id in &due {
            self.alarm_of.remove(id);
        }
        due
    }

    /// How many ids wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lanes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::KeyId;

    fn id(name: &str) -> Id {
        Id::Key(KeyId::new("ns", name))
    }

    #[test]
    fn a_revocation_overtakes_a_burst_of_new_keys() {
        let mut queue = Queue::new(8);
        for n in 0..1000 {
            queue.push(id(&n.to_string()), Lane::Other);
        }
        queue.push(id("revoked"), Lane::Revoke);
        assert_eq!(queue.pop(), Some(id("revoked")));
    }

    #[test]
    fn a_burst_of_new_keys_leaves_room_for_revocations() {
        let mut queue = Queue::new(8);
        for n in 0..1000 {
            queue.push(id(&n.to_string()), Lane::Other);
        }
        while queue.pop().is_some() {}
        queue.push(id("revoked"), Lane::Revoke);
        assert_eq!(queue.pop(), Some(id("revoked")));
    }

    #[test]
    fn an_id_that_turns_into_a_revocation_is_promoted_and_run_once() {
        let mut queue = Queue::new(8);
        queue.push(id("first"), Lane::Other);
        queue.push(id("second"), Lane::Other);
        queue.push(id("second"), Lane::Revoke);
        assert_eq!(queue.pop(), Some(id("second")));
        assert_eq!(queue.pop(), Some(id("first")));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_becomes_dirty_while_it_runs_is_looked_at_again() {
        let mut queue = Queue::new(8);
        queue.push(id("key"), Lane::Other);
        queue.pop();
        assert!(queue.is_running(&id("key")));
        assert!(queue.succeeded(&id("key")));
        assert!(!queue.is_running(&id("key")));
    }

    #[test]
    fn a_failing_id_waits_longer_each_time_and_alone() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        queue.push(id("poison"), Lane::Other);
        queue.pop();
        queue.failed(&id("poison"), now, 0.0);
        let first = queue.next_alarm();
        assert!(queue.is_backing_off(&id("poison")));
        queue.failed(&id("poison"), now, 0.0);
        assert!(queue.next_alarm() > first);
        queue.push(id("other"), Lane::Other);
        assert_eq!(queue.pop(), Some(id("other")));
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
