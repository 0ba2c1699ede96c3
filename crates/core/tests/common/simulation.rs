//! A controller around the World, one step at a time, in fair and foul weather.
//!
//! Calm: every event arrives at once and every write succeeds. Otherwise a
//! [`Dice`] decides what is late, repeated, refused, unanswered or cut short.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use devportal_api::condition::OpenApiState;
use devportal_api::id::SecretId;
use devportal_core::change::OpenApiAnswer;
use devportal_core::decision::Decision;
use devportal_core::{Change, Id, Need, Settings, World, Write, decide};
use jiff::{SignedDuration, Timestamp};

use super::chance::{Dice, Fault};
use super::cluster::{self, Cluster, Name, Seen};
use super::fixture::at;
use super::hands::{self, pair};

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
    needs: BTreeMap<Id, BTreeSet<Need>>,
    followed: BTreeSet<SecretId>,
    /// The namespace whose enforcement Secrets are watched.
    pub(super) watched: Option<String>,
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
            world: World::default(),
            settings: Settings::default(),
            dirty: BTreeSet::new(),
            writes: vec![],
            steps: 0,
            dice: None,
            fault_at: None,
            queues: BTreeMap::new(),
            wakes: BTreeMap::new(),
            needs: BTreeMap::new(),
            followed: BTreeSet::new(),
            watched: None,
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

    /// A crash and a new start: all that was known is listed anew.
    pub fn restart(&mut self) {
        self.world = World::new(self.settings);
        self.cluster.events.clear();
        self.queues.clear();
        self.wakes.clear();
        self.needs.clear();
        self.followed.clear();
        self.watched = None;
        // The Secrets come last, when it is known where Kuadrant is.
        for seen in self.cluster.list() {
            if self.shows(&seen) {
                self.observe(seen);
            }
        }
        // Nothing is decided before all are listed.
        self.queues.clear();
        self.dirty = self.world.everything();
    }

    /// The watches broke: what happened meanwhile shows as a difference.
    pub fn relist(&mut self) {
        self.cluster.events.clear();
        self.queues.clear();
        let listed = self.cluster.list();
        for (kind, list) in cluster::lists(self.watched.as_deref()) {
            for (name, end) in self.world.roll(&list) {
                if !listed
                    .iter()
                    .any(|seen| seen.object == (kind, name.clone()))
                {
                    self.dirty.extend(self.world.observe(end));
                }
            }
        }
        for seen in listed {
            if self.shows(&seen) {
                self.observe(seen);
            }
        }
        for id in self.followed.clone() {
            self.read(&id);
        }
    }

    fn observe(&mut self, seen: Seen) {
        let change = match seen.gone {
            Some(uid) => Change::Ended(uid, Box::new(seen.change)),
            None => seen.change,
        };
        self.dirty.extend(self.world.observe(change));
        self.follow_kuadrant();
    }

    fn take_events(&mut self) {
        for seen in std::mem::take(&mut self.cluster.events) {
            if let Change::SourceSecret(id, _) = &seen.change
                && (!self.followed.contains(id) || self.cluster.forbidden.contains(&id.namespace))
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
    fn deliver(&mut self) -> bool {
        self.take_events();
        if self.queues.is_empty() {
            return false;
        }
        let at = self.roll(self.queues.len());
        let object = self.queues.keys().nth(at).unwrap().clone();
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
        self.observe(seen.unwrap());
        true
    }

    /// One step; false when there is nothing left to do now.
    pub fn step(&mut self) -> bool {
        self.steps += 1;
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
        match decision.wake_at {
            Some(at) => self.wakes.insert(id.clone(), at),
            None => self.wakes.remove(id),
        };
        self.needs.insert(id.clone(), decision.needs.clone());
        self.follow();
        for write in &decision.writes {
            if !self.carry_out(id, write) {
                return;
            }
        }
    }

    /// Whether to go on with the next write of the same decision: also after one
    /// that failed.
    fn carry_out(&mut self, id: &Id, write: &Write) -> bool {
        let fault = self.fault();
        if matches!(fault, Fault::CrashBefore) {
            self.restart();
            return false;
        }
        self.writes.push(write.clone());
        if matches!(fault, Fault::Refused) {
            self.dirty.insert(id.clone());
            return true;
        }
        let answer = hands::apply(&mut self.cluster, &self.world, write);
        match (fault, answer) {
            (Fault::CrashAfter, _) => {
                self.restart();
                false
            }
            (Fault::Unanswered, _) => {
                self.dirty.insert(id.clone());
                true
            }
            (_, Err(_)) => {
                self.dirty.insert(id.clone());
                // What is read before a copy is made is news as well.
                if let Write::CreateSecret(_) = write {
                    for followed in self.followed.clone() {
                        self.read(&followed);
                    }
                }
                true
            }
            (_, Ok(seen)) => {
                // The watch may be ahead of the answer.
                while self.dice.is_some() && self.roll(4) == 0 && self.deliver() {}
                for seen in seen {
                    self.observe(seen);
                }
                true
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
                        let answer = Ok(format!("{issuer}/token"));
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
        let seen = if self.cluster.forbidden.contains(&id.namespace) {
            cluster::forbidden(&name)
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
        for id in self.followed.clone() {
            self.read(&id);
        }
    }

    /// Works, in fair weather, until nothing is left to do.
    pub fn settle(&mut self) {
        let dice = self.dice.take();
        let objects = self.world.everything().len() + self.queues.len() + self.dirty.len();
        let bound = 100 * (objects + self.cluster.events.len() + 10);
        for step in 0.. {
            assert!(
                step < bound,
                "no end after {step} steps: {:?}",
                self.writes.last_chunk::<6>()
            );
            if !self.step() {
                break;
            }
        }
        self.dice = dice;
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
        text: Some("openapi: 3.1.0".into()),
        cap: 512_000,
        synced_at: at(0),
    }
}
