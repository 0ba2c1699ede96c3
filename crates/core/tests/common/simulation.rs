//! A controller around the World, one step at a time, in fair and foul weather.
//!
//! Calm: every event arrives at once and every write succeeds. Otherwise a
//! [`Dice`] decides what is late, repeated, refused, unanswered or cut short.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use devportal_api::condition::OpenApiState;
use devportal_api::id::SecretId;
use devportal_core::brake::{Cause, Failure, Hindrance};
use devportal_core::change::{OidcAnswer, OpenApiAnswer, Source};
use devportal_core::decision::Decision;
use devportal_core::{Change, Group, Id, Need, Settings, World, Write, decide};
use devportal_mirror::{Digest, Trouble};
use jiff::{SignedDuration, Timestamp};

use super::chance::{Dice, Fault};
use super::cluster::{self, Admission, Cluster, ENFORCEMENT, Name, STRAY, Seen};
use super::fixture::at;
use super::hands::{self, pair};
use super::sight::{Watch, Watches};

/// So few objects stay unfolded that nearly every look unfolds one.
const OPEN: usize = 1;

pub struct Simulation {
    pub cluster: Cluster,
    pub world: World,
    settings: Settings,
    pub dirty: BTreeSet<Id>,
    /// Every write that was tried.
    pub writes: Vec<Write>,
    pub steps: usize,
    pub dice: Option<Dice>,
    /// When set: what happens to the write of this number (from 0).
    pub fault_at: Option<(usize, Fault)>,
    pub(super) queues: BTreeMap<(&'static str, Name), VecDeque<Seen>>,
    wakes: BTreeMap<Id, Timestamp>,
    /// What was last decided on each id.
    decided: BTreeMap<Id, Decision>,
    needs: BTreeMap<Id, BTreeSet<Need>>,
    followed: BTreeSet<SecretId>,
    /// The namespace whose enforcement Secrets are watched.
    pub(super) watched: Option<String>,
    /// The watches that are not up.
    pub(super) watch: Watches,
    /// What lists that were begun are still to tell: news of their kinds waits.
    pub(super) lists: BTreeMap<&'static str, VecDeque<Change>>,
}

impl Default for Simulation {
    fn default() -> Self {
        let cluster = Cluster {
            now: at(0),
            ..Cluster::default()
        };
        Self::of(cluster)
    }
}

impl Simulation {
    /// A controller that starts on a cluster that is already there.
    pub fn of(cluster: Cluster) -> Self {
        let mut simulation = Self {
            cluster,
            world: World::with_open(Settings::default(), OPEN),
            settings: Settings::default(),
            dirty: BTreeSet::new(),
            writes: vec![],
            steps: 0,
            dice: None,
            fault_at: None,
            queues: BTreeMap::new(),
            wakes: BTreeMap::new(),
            decided: BTreeMap::new(),
            needs: BTreeMap::new(),
            followed: BTreeSet::new(),
            watched: None,
            watch: Watches::new(),
            lists: BTreeMap::new(),
        };
        simulation.restart();
        simulation
    }

    /// The same controller, started with other settings.
    pub fn set(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.restart();
        self
    }

    /// A crash and a new start: all that was known is listed anew, but what is
    /// blind.
    pub fn restart(&mut self) {
        let blind: Vec<_> = self.watch.keys().copied().collect();
        self.restart_without(&blind);
    }

    /// A new start, or another replica taking over, that cannot list these kinds.
    pub fn restart_without(&mut self, blind: &[&'static str]) {
        self.world = World::with_open(self.settings, OPEN);
        self.cluster.events.clear();
        self.queues.clear();
        self.wakes.clear();
        self.decided.clear();
        self.needs.clear();
        self.followed.clear();
        self.watched = None;
        self.lists.clear();
        self.watch = blind.iter().map(|kind| (*kind, Watch::Blind)).collect();
        for kind in Self::kinds() {
            if blind.contains(&kind) {
                self.lose(kind, Trouble::Failing("connection refused".into()));
            } else if kind != ENFORCEMENT && kind != STRAY {
                // The Secrets are listed when it is known where Kuadrant is.
                self.list(kind);
            }
        }
        self.queues.clear();
        self.dirty = self.world.everything();
    }

    /// The watches broke: what happened meanwhile shows as a difference.
    pub fn relist(&mut self) {
        for kind in Self::kinds() {
            self.regain(kind, true);
        }
        for id in self.followed.clone() {
            self.read(&id);
        }
    }

    pub(super) fn note(&mut self, change: Change) {
        let dirty = self.world.observe(change);
        self.dirty.extend(dirty);
        if self.world.take_review() {
            self.dirty.extend(self.world.everything());
            self.dirty.extend(self.needs.keys().cloned());
        }
        self.follow_kuadrant();
    }

    pub(super) fn take_events(&mut self) {
        for seen in std::mem::take(&mut self.cluster.events) {
            if let Change::Source(id, _) = &seen.change
                && (!self.followed.contains(id) || self.cluster.forbidden.contains(&*id.namespace))
            {
                continue;
            }
            if !self.shows(&seen) {
                continue;
            }
            self.queues
                .entry(seen.object.clone())
                .or_default()
                .push_back(seen);
        }
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.dice.as_mut().map_or(0, |dice| dice.roll(sides))
    }

    /// Hands one event over, of any object; sometimes it comes again.
    pub fn deliver(&mut self) -> bool {
        self.take_events();
        if !self.lists.is_empty() && (self.dice.is_none() || self.roll(2) == 0) {
            self.go_on_listing();
            return true;
        }
        let is_open = |kind: &str| self.is_up(kind) && !self.lists.contains_key(kind);
        let objects = self.queues.keys().filter(|(kind, _)| is_open(kind));
        let objects: Vec<_> = objects.cloned().collect();
        if objects.is_empty() {
            return false;
        }
        let at = self.roll(objects.len());
        let object = objects[at].clone();
        let is_repeated = self.dice.is_some() && self.roll(8) == 0;
        let queue = self.queues.get_mut(&object).unwrap();
        let seen = if is_repeated {
            queue.front().cloned()
        } else {
            queue.pop_front()
        };
        if queue.is_empty() {
            self.queues.remove(&object);
        }
        self.note(seen.unwrap().change);
        true
    }

    fn go_on_listing(&mut self) {
        let at = self.roll(self.lists.len());
        let kind = *self.lists.keys().nth(at).unwrap();
        let list = self.lists.get_mut(kind).unwrap();
        let change = list.pop_front();
        if list.is_empty() {
            self.lists.remove(kind);
        }
        self.note(change.unwrap());
    }

    /// One step; false when there is nothing left to do now.
    pub fn step(&mut self) -> bool {
        self.steps += 1;
        if self.dice.is_some() && self.roll(40) == 0 {
            let kinds: Vec<_> = Self::kinds().collect();
            let kind = kinds[self.roll(kinds.len())];
            self.regain(kind, true);
        }
        let now = self.cluster.now;
        let due: Vec<_> = self
            .wakes
            .iter()
            .filter(|(_, wake)| **wake <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in due {
            self.wakes.remove(&id);
            self.dirty.insert(id);
        }
        let prefers_events = self.dice.is_none() || self.roll(2) == 0 || self.dirty.is_empty();
        if prefers_events && self.deliver() {
            return true;
        }
        if self.dirty.is_empty() {
            return self.deliver();
        }
        let at = self.roll(self.dirty.len());
        let id = self.dirty.iter().nth(at).unwrap().clone();
        self.decide(&id);
        true
    }

    fn decide(&mut self, id: &Id) {
        self.dirty.remove(id);
        let decision = decide(id, &self.world, self.cluster.now);
        self.decided.insert(id.clone(), decision.clone());
        match decision.wake_at {
            Some(at) => self.wakes.insert(id.clone(), at),
            None => self.wakes.remove(id),
        };
        self.needs.insert(id.clone(), decision.needs.clone());
        self.follow();
        let dirty = self.world.settle(id, &decision.unsettled);
        self.dirty.extend(dirty);
        let mut outcomes: BTreeMap<Group, Option<Failure>> = BTreeMap::new();
        for write in &decision.writes {
            match self.carry_out(id, write) {
                Ok(()) => drop(outcomes.entry(write.group()).or_default()),
                Err(Some(failure)) => drop(outcomes.insert(write.group(), Some(failure))),
                // It is another process by now.
                Err(None) => return,
            }
        }
        for (group, failure) in outcomes {
            let tried = Change::Tried(id.clone(), group, failure, self.cluster.now, 0.0);
            self.note(tried);
        }
    }

    /// Why it failed; the next write of the same decision is made also after that. No
    /// reason after a crash.
    fn carry_out(&mut self, id: &Id, write: &Write) -> Result<(), Option<Failure>> {
        let fault = self.fault();
        if matches!(fault, Fault::CrashBefore) {
            self.restart();
            return Err(None);
        }
        self.writes.push(write.clone());
        if matches!(fault, Fault::Refused) {
            return Err(Some(hands::passing("the connection broke")));
        }
        let answer = hands::apply(&mut self.cluster, &self.world, write);
        match (fault, answer) {
            (Fault::CrashAfter, _) => {
                self.restart();
                Err(None)
            }
            (Fault::Unanswered, _) => Err(Some(hands::passing("no answer"))),
            (_, Err(failure)) => {
                self.dirty.insert(id.clone());
                // What is read before a source is made is news as well.
                if let Write::CreateSecret(_) = write {
                    for followed in self.followed.clone() {
                        self.read(&followed);
                    }
                }
                Err(Some(failure))
            }
            (_, Ok(seen)) => {
                // The watch may be ahead of the answer.
                while self.dice.is_some() && self.roll(4) == 0 && self.deliver() {}
                for seen in seen {
                    self.note(seen.change.answered());
                }
                Ok(())
            }
        }
    }

    fn fault(&mut self) -> Fault {
        match self.fault_at {
            Some((number, fault)) if number == self.writes.len() => {
                self.fault_at = None;
                return fault;
            }
            _ => {}
        }
        if self.dice.is_none() {
            return Fault::None;
        }
        match self.roll(24) {
            0 => Fault::Refused,
            1 => Fault::Unanswered,
            2 => Fault::CrashBefore,
            3 => Fault::CrashAfter,
            _ => Fault::None,
        }
    }

    /// Reads what is newly needed; forgets nothing that is still needed.
    fn follow(&mut self) {
        let needs: BTreeSet<_> = self.needs.values().flatten().cloned().collect();
        for need in needs {
            match need {
                Need::Secret(id) => {
                    if self.followed.insert(id.clone()) {
                        self.read(&id);
                    }
                }
                Need::OpenApi(url) => {
                    if self.world.find_openapi(&url).is_none() {
                        let change = Change::OpenApi(url, openapi());
                        self.dirty.extend(self.world.observe(change));
                    }
                }
                Need::Oidc(issuer) => {
                    if self.world.find_oidc(&issuer).is_none() {
                        let answer = OidcAnswer::Endpoint(format!("{issuer}/token"));
                        self.dirty
                            .extend(self.world.observe(Change::Oidc(issuer, answer)));
                    }
                }
            }
        }
    }

    fn read(&mut self, id: &SecretId) {
        if self.cluster.reads_nothing {
            return;
        }
        let name = pair(&id.namespace, &id.name);
        let seen = if self.cluster.forbidden.contains(&*id.namespace) {
            cluster::told_source(&name, Source::Forbidden)
        } else {
            cluster::source(&name, self.cluster.secrets.get(&name))
        };
        // An answer of its own, in order with the events of the same Secret.
        self.take_events();
        self.queues
            .entry(seen.object.clone())
            .or_default()
            .push_back(seen);
    }

    /// Gives back the right to read Secrets everywhere; what could not be read is.
    pub fn permit(&mut self) {
        self.cluster.forbidden.clear();
        self.read_anew();
    }

    /// Reads what is followed once more.
    pub fn read_anew(&mut self) {
        for id in self.followed.clone() {
            self.read(&id);
        }
    }

    /// Works, in fair weather, until nothing is left to do. What is not seen stays so.
    pub fn settle(&mut self) {
        let dice = self.dice.take();
        self.end_outage();
        let objects = self.world.everything().len() + self.queues.len() + self.dirty.len();
        let bound = 200 * (objects + self.cluster.events.len() + 10);
        for step in 0.. {
            assert!(
                step < bound,
                "no end after {step} steps: {:?}",
                self.writes.last_chunk::<6>()
            );
            if !self.step() && !self.wait_for_brakes() {
                break;
            }
        }
        self.dice = dice;
    }

    /// What failed in foul weather is tried again at once.
    fn end_outage(&mut self) {
        let kind = Self::kinds().next().unwrap();
        if self.is_up(kind) {
            self.lose(kind, Trouble::Failing("an outage".into()));
            self.regain(kind, false);
        }
    }

    /// Lets the time pass until something is tried again that is not refused.
    fn wait_for_brakes(&mut self) -> bool {
        let now = self.cluster.now;
        let brakes = self.world.brakes();
        // What conflicts with what is not seen goes on doing so.
        if !self.watch.is_empty() {
            return false;
        }
        let is_open =
            self.cluster.admission == Admission::Passes && self.cluster.refused.is_empty();
        let passes = |why: &Hindrance| match why {
            Hindrance::Failed(failure) => match failure.cause {
                Cause::Passing => true,
                Cause::Refused => is_open,
                Cause::NameTaken => false,
            },
            Hindrance::DoesNotStay => is_open,
        };
        let passing = brakes
            .all()
            .filter(|(id, group)| brakes.hindrance(id, *group).is_none_or(|why| passes(&why)));
        let until = passing.filter_map(|(id, group)| brakes.until(id, group, now));
        let Some(next) = until.min() else {
            return false;
        };
        // Clients write whole seconds.
        let whole = Timestamp::from_second(next.as_second()).unwrap();
        self.cluster.now = whole + SignedDuration::from_secs(1);
        true
    }

    /// Lets time pass, and settles.
    pub fn pass(&mut self, time: SignedDuration) {
        self.cluster.now += time;
        self.settle();
    }

    /// Works through a number of steps in foul weather.
    pub fn suffer(&mut self, steps: usize, seed: u64) {
        self.dice = Some(Dice::new(seed));
        for _ in 0..steps {
            self.step();
        }
        self.dice = None;
    }

    /// What would be decided otherwise by now, though nothing said that it is to be decided
    /// again: the id, what was decided, and what would be.
    pub fn overlooked(&self) -> Vec<(Id, Decision, Decision)> {
        let now = self.cluster.now;
        let at_rest = self.decided.iter().filter(|(id, decision)| {
            !self.dirty.contains(id) && decision.wake_at.is_none_or(|at| now < at)
        });
        let again = at_rest.map(|(id, before)| {
            let after = decide(id, &self.world, now);
            (id.clone(), before.clone(), after)
        });
        // When to look again may be told from the moment of looking.
        let same = |a: &Decision, b: &Decision| {
            (&a.writes, &a.unsettled, &a.needs) == (&b.writes, &b.unsettled, &b.needs)
        };
        again.filter(|(_, a, b)| !same(a, b)).collect()
    }

    /// What would be decided on everything, now.
    pub fn decisions(&self) -> BTreeMap<Id, Decision> {
        let ids = self.world.everything();
        let known = self.needs.keys().cloned();
        ids.into_iter()
            .chain(known)
            .map(|id| (id.clone(), decide(&id, &self.world, self.cluster.now)))
            .collect()
    }
}

fn openapi() -> OpenApiAnswer {
    OpenApiAnswer {
        state: OpenApiState::Fetched,
        digest: Some(Digest::of("openapi: 3.1.0")),
        text: Some("openapi: 3.1.0".into()),
        cap: 512_000,
        synced_at: at(0),
    }
}
