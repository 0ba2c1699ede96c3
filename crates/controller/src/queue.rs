//! What is to be looked at next?
//!
//! Three lanes: taking access away overtakes everything, and what only tells of a
//! product or an approval lets everything pass. What was begun is finished before
//! anything else is begun, so that under load some keys are done early and not all
//! of them late. One id is never run twice at a time; what becomes dirty while it
//! runs is run again after. A failing id waits by itself, longer each time, and
//! holds nobody else up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use devportal_core::{Id, Write};
use jiff::Timestamp;

/// How long a failed id waits the first time; doubled each time after.
const FIRST_WAIT: Duration = Duration::from_millis(200);
/// The longest a failed id waits.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// The longest an id waits whose access could not be taken away.
const LONGEST_WAIT_TO_REVOKE: Duration = Duration::from_secs(5);
/// Slots that only revocations may take.
const RESERVED: usize = 4;

/// Which lane an id waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Takes access away.
    Revoke,
    /// Everything else about keys.
    Other,
    /// Tells of products and approvals, and notes what an approval covers: only a
    /// change of the same key's request waits for it.
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
            Write::ProductStatus(..) | Write::ApprovalStatus(..) => Self::Tell,
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
    failures: HashMap<Id, Failures>,
    /// When a decision wants to be made again.
    wakes: Alarms,
    /// When a failed id is tried again.
    retries: Alarms,
}

/// What went wrong with an id since it last had nothing to write.
#[derive(Debug)]
struct Failures {
    count: u32,
    /// What failed last.
    lane: Lane,
}

impl Queue {
    /// A queue for this many ids at a time.
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            waiting: BTreeMap::new(),
            lanes: HashMap::new(),
            running: HashSet::new(),
            failures: HashMap::new(),
            wakes: Alarms::default(),
            retries: Alarms::default(),
        }
    }

    /// Whether an id runs now.
    pub(crate) fn is_running(&self, id: &Id) -> bool {
        self.running.contains(id)
    }

    /// Whether an id sleeps off a failure. A failure to give access does not
    /// hold up taking it away.
    pub(crate) fn is_held_back(&self, id: &Id, lane: Lane) -> bool {
        let failed = self.failures.get(id).map(|it| it.lane);
        self.retries.has(id) && !(lane == Lane::Revoke && failed > Some(Lane::Revoke))
    }

    /// Puts an id in a lane; one that waits in the slower lane is promoted.
    pub(crate) fn push(&mut self, id: Id, lane: Lane, turn: Turn) {
        // The stale entry in a slower lane is skipped when it is popped.
        if self.lanes.get(&id).is_some_and(|have| *have <= lane) {
            return;
        }
        let waiting = self.waiting.entry(lane).or_default();
        match turn {
            Turn::Next => waiting.push_front(id.clone()),
            Turn::Last => waiting.push_back(id.clone()),
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

    /// An id has nothing left to write: what went wrong is forgotten.
    pub(crate) fn settled(&mut self, id: &Id) {
        self.failures.remove(id);
        self.retries.set(id, None);
    }

    /// A write of an id failed, in this lane: it is tried again after a while,
    /// longer each time, and sooner where access is to be taken away.
    pub(crate) fn failed(&mut self, id: &Id, lane: Lane, now: Timestamp, jitter: f64) {
        let failures = self
            .failures
            .entry(id.clone())
            .or_insert(Failures { count: 0, lane });
        failures.lane = lane;
        let longest = match lane {
            Lane::Revoke => LONGEST_WAIT_TO_REVOKE,
            Lane::Other | Lane::Tell => LONGEST_WAIT,
        };
        let wait = FIRST_WAIT
            .saturating_mul(2_u32.saturating_pow(failures.count))
            .min(longest);
        failures.count = failures.count.saturating_add(1);
        let wait = wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) * 0.2);
        self.retries.set(id, Some(now + wait));
    }

    /// Sets when the decision on an id is to be made again, or clears it.
    pub(crate) fn wake(&mut self, id: &Id, at: Option<Timestamp>) {
        self.wakes.set(id, at);
    }

    /// When the next alarm is.
    pub(crate) fn next_alarm(&self) -> Option<Timestamp> {
        [self.wakes.next(), self.retries.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// The ids whose alarm is due.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Id> {
        let mut due = self.wakes.due(now);
        due.extend(self.retries.due(now));
        due
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
    fn has(&self, id: &Id) -> bool {
        self.of.contains_key(id)
    }

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
    use devportal_api::id::KeyId;

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
    fn what_only_tells_of_approvals_and_products_waits_for_everything_else() {
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
    fn a_failing_id_waits_longer_each_time_and_alone() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        queue.push(id("poison"), Lane::Other, Turn::Last);
        queue.pop();
        queue.done(&id("poison"));
        queue.failed(&id("poison"), Lane::Other, now, 0.0);
        let first = queue.next_alarm();
        assert!(queue.is_held_back(&id("poison"), Lane::Other));
        queue.failed(&id("poison"), Lane::Other, now, 0.0);
        assert!(queue.next_alarm() > first);
        queue.push(id("other"), Lane::Other, Turn::Last);
        assert_eq!(queue.pop(), Some(id("other")));
    }

    #[test]
    fn a_failure_holds_an_id_back_no_longer_than_its_wait_whatever_else_it_waits_for() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        let expiry = now + Duration::from_hours(1);
        queue.failed(&id("key"), Lane::Other, now, 0.0);
        queue.wake(&id("key"), Some(expiry));
        assert_eq!(queue.due(now + FIRST_WAIT), [id("key")]);
        assert!(!queue.is_held_back(&id("key"), Lane::Other));
        assert_eq!(queue.next_alarm(), Some(expiry));
    }

    #[test]
    fn what_has_nothing_left_to_write_has_no_failure_behind_it() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..9 {
            queue.failed(&id("key"), Lane::Other, now, 0.0);
        }
        queue.settled(&id("key"));
        assert!(!queue.is_held_back(&id("key"), Lane::Other));
        assert_eq!(queue.next_alarm(), None);
        queue.failed(&id("key"), Lane::Other, now, 0.0);
        assert_eq!(queue.next_alarm(), Some(now + FIRST_WAIT));
    }

    #[test]
    fn a_failure_to_give_access_does_not_hold_up_taking_it_away() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        queue.failed(&id("key"), Lane::Other, now, 0.0);
        assert!(!queue.is_held_back(&id("key"), Lane::Revoke));
        queue.failed(&id("key"), Lane::Revoke, now, 0.0);
        assert!(queue.is_held_back(&id("key"), Lane::Revoke));
    }

    #[test]
    fn a_failed_revocation_is_tried_again_within_seconds_however_often_it_fails() {
        let mut queue = Queue::new(8);
        let now = Timestamp::UNIX_EPOCH;
        for _ in 0..99 {
            queue.failed(&id("key"), Lane::Revoke, now, 1.0);
        }
        assert!(queue.next_alarm() <= Some(now + Duration::from_secs(6)));
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
