//! When is a write tried again that failed, or that does not stay?
//!
//! One brake for each id and [`Group`] of its writes: what is refused to one key, or
//! to its request, holds up nothing else. A write that succeeds and has to be made
//! again and again, because something undoes it, is slowed down like one that fails.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use devportal_api::condition::Refused;
use jiff::Timestamp;

use crate::decision::{Group, Id};

/// How long the first failure is waited off; doubled with each further one.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_mins(1);
/// The longest wait where access could not be taken away.
const LONGEST_TO_REVOKE: Duration = Duration::from_secs(5);
/// Each wait is longer by up to this part of it, so that those who failed together part.
const JITTER: f64 = 0.2;
/// So often in a row may writing succeed without an end: more than any key takes.
const FREE: u32 = 12;
/// So often may a failure come that passes by itself before it is told: some seconds.
const PATIENCE: u32 = 4;

/// Why a write did not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What kind of failure it is.
    pub cause: Cause,
    /// What was to be written, such as `APIKeyRequest toystore/consumer-alice-1`.
    pub target: String,
    /// One CamelCase word for programs: the API server's, where it gave one.
    pub reason: String,
    /// For people. Holds no value of a key.
    pub message: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Trying again may help: the API server is away, or was overtaken.
    Passing,
    /// The API server does not let us, and will not until someone changes something.
    Refused,
    /// An object that is not ours has the name.
    NameTaken,
}

/// What went wrong with one group of an id since it last had nothing to write.
#[derive(Clone, Debug, Default)]
struct Brake {
    /// Successes in a row.
    rounds: u32,
    /// Failures in a row.
    failures: u32,
    /// Whether an outage ended among them.
    was_away: bool,
    until: Option<Timestamp>,
    failure: Option<Failure>,
}

/// The brakes of every id.
#[derive(Debug, Default)]
pub struct Brakes {
    of: HashMap<Id, HashMap<Group, Brake>>,
}

/// What keeps a group from being written now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance<'a> {
    /// It failed.
    Failed(&'a Failure),
    /// It succeeds and does not stay.
    DoesNotStay,
}

impl Failure {
    /// Whether it is the same fault. What passes may differ by a number, as of a connection.
    pub fn is_like(&self, other: &Self) -> bool {
        let has_its_words = self.cause == Cause::Passing || self.message == other.message;
        let named = |it: &Self| (it.cause, it.target.clone(), it.reason.clone());
        named(self) == named(other) && has_its_words
    }

    /// The message, as long as a condition may be: a status is no log.
    pub fn words(&self) -> &str {
        const LONGEST: usize = 400;
        &self.message[..self.message.floor_char_boundary(LONGEST)]
    }

    /// As conditions tell it.
    pub(crate) fn refused(&self) -> Refused {
        Refused {
            target: self.target.clone(),
            reason: self.reason.clone(),
            message: self.words().to_owned(),
        }
    }
}

fn longest(group: Group) -> Duration {
    match group {
        Group::Revoke => LONGEST_TO_REVOKE,
        Group::Access | Group::Record | Group::Status => LONGEST,
    }
}

impl Brakes {
    pub(crate) fn tried(
        &mut self,
        id: &Id,
        group: Group,
        failure: Option<Failure>,
        at: Timestamp,
        jitter: f64,
    ) {
        let brake = self
            .of
            .entry(id.clone())
            .or_default()
            .entry(group)
            .or_default();
        if let Some(failure) = &failure {
            // An API server that comes back refuses for a moment what it lets pass then:
            // what failed while it was away does not count. Once: a webhook of which one replica
            // refuses and another is broken goes on like that.
            let last = brake.failure.as_ref().map(|it| it.cause);
            let is_back = last == Some(Cause::Passing) && failure.cause != Cause::Passing;
            if is_back && !std::mem::replace(&mut brake.was_away, true) {
                brake.failures = 0;
            }
            brake.failures = brake.failures.saturating_add(1);
        } else {
            brake.failures = 0;
            brake.was_away = false;
            // Whoever makes credentials go again and again must not put off the time
            // when all of them do.
            if group != Group::Revoke {
                brake.rounds = brake.rounds.saturating_add(1);
            }
        }
        // What is told stays as it is while the fault does.
        let is_same = |last: &Failure| failure.as_ref().is_some_and(|it| it.is_like(last));
        if !brake.failure.as_ref().is_some_and(is_same) {
            brake.failure = failure;
        }
        let longest = longest(group);
        let steps = brake.failures.max(brake.rounds.saturating_sub(FREE));
        brake.until = steps.checked_sub(1).and_then(|doublings| {
            let wait = FIRST
                .saturating_mul(2_u32.saturating_pow(doublings))
                .min(longest);
            let jittered = wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) * JITTER);
            at.checked_add(jittered).ok()
        });
    }

    /// What has nothing left to write: what went wrong is forgotten. Secrets that go and
    /// are made in turns lead nowhere, so that giving access settles with taking it.
    pub(crate) fn settle(&mut self, id: &Id, unsettled: &BTreeSet<Group>) {
        let Some(groups) = self.of.get_mut(id) else {
            return;
        };
        let is_turning = unsettled.contains(&Group::Revoke);
        groups.retain(|group, brake| {
            if *group == Group::Access && is_turning && !unsettled.contains(group) {
                brake.failures = 0;
                brake.failure = None;
                return true;
            }
            unsettled.contains(group)
        });
        if groups.is_empty() {
            self.of.remove(id);
        }
    }

    /// Somebody wishes something else: what is written for it is another beginning.
    pub(crate) fn renew(&mut self, id: &Id) {
        for brake in self
            .of
            .get_mut(id)
            .into_iter()
            .flat_map(HashMap::values_mut)
        {
            brake.rounds = 0;
            if brake.failure.is_none() {
                brake.until = None;
            }
        }
    }

    /// An outage is over: what it made fail is tried again at once.
    pub(crate) fn release(&mut self) {
        for brake in self.of.values_mut().flat_map(HashMap::values_mut) {
            let is_passing = |it: &Failure| it.cause == Cause::Passing;
            if brake.failure.as_ref().is_some_and(is_passing) {
                brake.failures = 0;
                brake.until = None;
            }
        }
    }

    /// Until when a group is not to be written.
    pub fn until(&self, id: &Id, group: Group, now: Timestamp) -> Option<Timestamp> {
        let until = self.of.get(id)?.get(&group)?.until?;
        // One that is further away is of a clock that was set back since.
        let latest = now.checked_add(longest(group).mul_f64(1.0 + JITTER)).ok();
        (now < until && latest.is_none_or(|it| until <= it)).then_some(until)
    }

    /// Why a group that has something to write is not written, also between two tries.
    pub fn hindrance(&self, id: &Id, group: Group) -> Option<Hindrance<'_>> {
        let brake = self.of.get(id)?.get(&group)?;
        match &brake.failure {
            // What passes by itself is not worth a word, unless it does not.
            Some(failure) if failure.cause == Cause::Passing && brake.failures <= PATIENCE => None,
            Some(failure) => Some(Hindrance::Failed(failure)),
            None => (brake.rounds > FREE).then_some(Hindrance::DoesNotStay),
        }
    }

    /// What failed last, if the last try did.
    pub fn failure(&self, id: &Id, group: Group) -> Option<&Failure> {
        self.of.get(id)?.get(&group)?.failure.as_ref()
    }

    /// How many ids have a group whose last try failed.
    pub fn failing(&self) -> usize {
        let has_failed =
            |groups: &&HashMap<Group, Brake>| groups.values().any(|brake| brake.failure.is_some());
        self.of.values().filter(has_failed).count()
    }

    /// Every group that failed or does not stay.
    pub fn all(&self) -> impl Iterator<Item = (&Id, Group)> {
        let ids = self.of.iter();
        ids.flat_map(|(id, groups)| groups.keys().map(move |group| (id, *group)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::KeyId;

    fn id() -> Id {
        Id::Key(KeyId::new("ns", "key"))
    }

    fn failure(cause: Cause) -> Failure {
        Failure {
            cause,
            target: "APIKeyRequest ns/r".into(),
            reason: "Forbidden".into(),
            message: "exceeded quota".into(),
        }
    }

    fn tried(brakes: &mut Brakes, group: Group, cause: Option<Cause>) -> Option<Duration> {
        let at = Timestamp::UNIX_EPOCH;
        brakes.tried(&id(), group, cause.map(failure), at, 0.0);
        let until = brakes.until(&id(), group, at)?;
        Duration::try_from(until.duration_since(at)).ok()
    }

    #[test]
    fn a_failing_group_waits_longer_each_time_and_alone() {
        let mut brakes = Brakes::default();
        let waits: Vec<_> = (0..12)
            .map(|_| tried(&mut brakes, Group::Record, Some(Cause::Refused)).unwrap())
            .collect();
        assert_eq!(waits[0], FIRST);
        assert_eq!(waits[1], FIRST * 2);
        assert_eq!(waits[11], LONGEST);
        for other in [Group::Revoke, Group::Access, Group::Status] {
            assert_eq!(brakes.until(&id(), other, Timestamp::UNIX_EPOCH), None);
        }
    }

    #[test]
    fn a_failed_revocation_is_tried_again_within_seconds_however_often_it_fails() {
        let mut brakes = Brakes::default();
        for _ in 0..99 {
            let wait = tried(&mut brakes, Group::Revoke, Some(Cause::Refused));
            assert!(wait.unwrap() <= LONGEST_TO_REVOKE);
        }
    }

    #[test]
    fn what_succeeds_without_end_is_slowed_down_and_told() {
        let mut brakes = Brakes::default();
        for _ in 0..FREE {
            assert_eq!(tried(&mut brakes, Group::Access, None), None);
            assert_eq!(brakes.hindrance(&id(), Group::Access), None);
        }
        assert_eq!(tried(&mut brakes, Group::Access, None), Some(FIRST));
        let why = brakes.hindrance(&id(), Group::Access);
        assert_eq!(why, Some(Hindrance::DoesNotStay));
        brakes.settle(&id(), &[Group::Revoke].into());
        let why = brakes.hindrance(&id(), Group::Access);
        assert_eq!(
            why,
            Some(Hindrance::DoesNotStay),
            "it goes and is made in turns"
        );
        brakes.settle(&id(), &[].into());
        assert_eq!(tried(&mut brakes, Group::Access, None), None);
    }

    #[test]
    fn credentials_that_go_again_and_again_do_not_put_off_the_end_of_all() {
        let mut brakes = Brakes::default();
        for _ in 0..99 {
            assert_eq!(tried(&mut brakes, Group::Revoke, None), None);
        }
    }

    #[test]
    fn a_wait_ends_with_the_outage_that_caused_it() {
        let mut brakes = Brakes::default();
        for _ in 0..9 {
            tried(&mut brakes, Group::Access, Some(Cause::Passing));
            tried(&mut brakes, Group::Record, Some(Cause::Refused));
        }
        brakes.release();
        let until = |group| brakes.until(&id(), group, Timestamp::UNIX_EPOCH);
        assert_eq!(until(Group::Access), None);
        assert!(until(Group::Record).is_some(), "refused for another reason");
        let refused = tried(&mut brakes, Group::Access, Some(Cause::Refused));
        assert_eq!(refused, Some(FIRST));
    }

    #[test]
    fn two_failures_that_take_turns_are_waited_off_like_one() {
        let mut brakes = Brakes::default();
        let mut last = None;
        for cause in [Cause::Passing, Cause::Refused].repeat(6) {
            last = tried(&mut brakes, Group::Access, Some(cause));
        }
        assert!(last > Some(FIRST * 100), "{last:?}");
        tried(&mut brakes, Group::Access, None);
        let again = tried(&mut brakes, Group::Access, Some(Cause::Passing));
        assert_eq!(again, Some(FIRST));
    }

    #[test]
    fn a_clock_that_is_set_back_holds_up_nothing() {
        let mut brakes = Brakes::default();
        let ahead = Timestamp::from_second(7200).unwrap();
        brakes.tried(
            &id(),
            Group::Revoke,
            Some(failure(Cause::Refused)),
            ahead,
            0.0,
        );
        let until = |now| brakes.until(&id(), Group::Revoke, now);
        assert!(until(ahead).is_some());
        assert_eq!(until(Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn what_is_refused_when_the_api_server_comes_back_is_tried_again_soon() {
        let mut brakes = Brakes::default();
        for _ in 0..9 {
            tried(&mut brakes, Group::Access, Some(Cause::Passing));
        }
        let refused = tried(&mut brakes, Group::Access, Some(Cause::Refused));
        assert_eq!(refused, Some(FIRST));
    }
}
