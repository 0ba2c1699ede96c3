//! Who holds the World, and in which order is it acted on?
//!
//! One task takes news in, decides, and hands decisions to writers. Deciding is
//! cheap and happens at once, to know which lane an id belongs in; it happens
//! again when a slot is free, on what is known by then.

use std::collections::{BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use devportal_core::world::Listed;
use devportal_core::{Change, Id, Need, Settings, World, Write, decide};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, info, warn};

use crate::apply::{Outcome, Writer};
use crate::fetch::Fetcher;
use crate::follow::Follower;
use crate::needs::Needs;
use crate::queue::{Lane, Queue, Turn};
use crate::rounds::Rounds;
use crate::watch::News;

/// How many ids are written at a time. More write no faster where the API server is
/// what is waited for, and make a revocation wait with them: in a burst of issues 16
/// took half as long again, see `cargo xtask bench gateway`.
const SLOTS: usize = 8;
/// When a decision that panicked is made again, unless something changes.
const AFTER_A_PANIC: Duration = Duration::from_mins(1);

/// What a writer reports.
struct Done {
    id: Id,
    writes: Vec<Write>,
    outcome: Outcome,
}

/// The one task that decides.
pub(crate) struct Engine {
    world: World,
    queue: Queue,
    needs: Needs,
    rounds: Rounds,
    writer: Arc<Writer>,
    follower: Follower,
    fetcher: Fetcher,
    /// Kinds whose first list is still out.
    unlisted: HashSet<Listed>,
    leads: watch::Receiver<bool>,
    ready: watch::Sender<bool>,
    kuadrant: watch::Sender<Option<String>>,
    done: mpsc::UnboundedSender<Done>,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) writer: Writer,
    pub(crate) follower: Follower,
    pub(crate) fetcher: Fetcher,
    pub(crate) kinds: HashSet<Listed>,
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) ready: watch::Sender<bool>,
    pub(crate) kuadrant: watch::Sender<Option<String>>,
}

/// Runs until the news end.
pub(crate) async fn run(
    parts: Parts,
    mut news: mpsc::Receiver<News>,
    mut documents: mpsc::Receiver<Change>,
) {
    let (done, mut reports) = mpsc::unbounded_channel();
    let mut engine = Engine {
        world: World::new(parts.settings),
        queue: Queue::new(SLOTS),
        needs: Needs::default(),
        rounds: Rounds::default(),
        writer: Arc::new(parts.writer),
        follower: parts.follower,
        fetcher: parts.fetcher,
        unlisted: parts.kinds,
        leads: parts.leads,
        ready: parts.ready,
        kuadrant: parts.kuadrant,
        done,
    };
    loop {
        let alarm = engine.until_alarm();
        tokio::select! {
            biased;
            Some(report) = reports.recv() => engine.finish(report),
            heard = news.recv() => match heard {
                Some(heard) => engine.hear(heard),
                None => return,
            },
            Some(document) = documents.recv() => engine.hear(News::Change(document)),
            Ok(()) = engine.leads.changed() => engine.look_at_everything(),
            () = tokio::time::sleep(alarm) => engine.ring(),
        }
        engine.start_writers();
    }
}

impl Engine {
    fn until_alarm(&self) -> Duration {
        /// A far alarm is looked at again now and then: clocks are set.
        const FAR: Duration = Duration::from_secs(30);
        let next = self.queue.next_alarm().filter(|_| self.is_informed());
        let Some(at) = next else {
            return FAR;
        };
        Duration::try_from(at.duration_since(Timestamp::now()))
            .unwrap_or_default()
            .min(FAR)
    }

    fn hear(&mut self, news: News) {
        match news {
            News::Change(change) => {
                let dirty = self.world.observe(change);
                self.tell_kuadrant();
                self.consider_all(dirty);
            }
            // Whoever asked may have gone by now.
            News::Listing(list, tell) => drop(tell.send(self.world.roll(&list))),
            News::Listed(kind) => {
                if self.unlisted.remove(&kind) {
                    self.look_at_everything();
                }
            }
        }
    }

    /// Where enforcement Secrets are may change: nothing is decided until those
    /// of the new place are listed.
    fn tell_kuadrant(&mut self) {
        let now = self.world.kuadrant_namespace();
        if self.kuadrant.borrow().as_deref() == now {
            return;
        }
        let in_namespace = |it: &str| Listed::EnforcementSecrets(it.to_owned());
        if let Some(before) = self.kuadrant.borrow().as_deref() {
            self.unlisted.remove(&in_namespace(before));
        }
        self.unlisted.extend(now.map(in_namespace));
        self.kuadrant.send_replace(now.map(str::to_owned));
        self.look_at_everything();
    }

    fn is_informed(&self) -> bool {
        self.unlisted.is_empty()
    }

    fn look_at_everything(&mut self) {
        if !self.is_informed() {
            return;
        }
        if !self.ready.send_replace(true) {
            info!("every kind is listed; deciding");
        }
        let mut all = self.world.everything();
        // What ended meanwhile needs nothing any more.
        all.extend(self.needs.ids().cloned());
        self.consider_all(all);
    }

    fn ring(&mut self) {
        if self.is_informed() {
            for id in self.queue.due(Timestamp::now()) {
                self.consider(id, Turn::Last);
            }
        }
    }

    fn consider_all(&mut self, ids: BTreeSet<Id>) {
        if self.is_informed() {
            for id in ids {
                self.consider(id, Turn::Last);
            }
        }
    }

    /// Decides on an id and puts it in a lane if there is anything to write.
    fn consider(&mut self, id: Id, turn: Turn) {
        if self.queue.is_running(&id) {
            return;
        }
        let writes = self.decide(&id);
        let lane = Lane::of(&writes);
        if writes.is_empty() {
            self.settle(&id);
        } else if *self.leads.borrow() && !self.queue.is_held_back(&id, lane) {
            self.queue.push(id, lane, turn);
        }
    }

    fn settle(&mut self, id: &Id) {
        self.queue.settled(id);
        self.rounds.settled(id);
    }

    /// Decides, follows what the decision needs, and sets its alarm.
    fn decide(&mut self, id: &Id) -> Vec<Write> {
        let now = Timestamp::now();
        loop {
            let Some(decision) = survive(id, || decide(id, &self.world, now)) else {
                self.queue.wake(id, Some(now + AFTER_A_PANIC));
                return Vec::new();
            };
            let is_outdated = self.follow(id, &decision.needs);
            if !is_outdated {
                self.queue.wake(id, decision.wake_at);
                return decision.writes;
            }
        }
    }

    /// Begins to follow what an id needs from now on, and stops what it does not need
    /// any more. Whether something was known that nobody followed.
    fn follow(&mut self, id: &Id, needs: &BTreeSet<Need>) -> bool {
        let difference = self.needs.set(id, needs);
        for need in difference.stop {
            self.world.forget(&need);
            match &need {
                Need::Secret(secret) => self.follower.forget(secret),
                other => self.fetcher.forget(other),
            }
        }
        let mut is_outdated = false;
        for need in difference.begin {
            // News that was under way when it was last forgotten.
            is_outdated |= self.world.forget(&need);
            match need {
                Need::Secret(secret) => self.follower.follow(&secret),
                other => self.fetcher.follow(other),
            }
        }
        is_outdated
    }

    fn start_writers(&mut self) {
        if !*self.leads.borrow() || !self.is_informed() {
            return;
        }
        while let Some(id) = self.queue.pop() {
            let writes = self.decide(&id);
            if writes.is_empty() {
                self.queue.done(&id);
                self.settle(&id);
                continue;
            }
            if self.rounds.lead_nowhere(&id, &writes) {
                warn!(?id, "what was written does not stay; trying again later");
                self.queue.done(&id);
                self.fail(&id, Lane::of(&writes));
                continue;
            }
            debug!(
                ?id,
                writes = writes.len(),
                waiting = self.queue.waiting(),
                "writing"
            );
            let revisions = self.with_seen(&writes);
            let hands = Arc::clone(&self.writer);
            let done = self.done.clone();
            tokio::spawn(async move {
                let outcome = hands.apply(&id, revisions, Timestamp::now()).await;
                // The engine is gone only when the process ends.
                let _ = done.send(Done {
                    id,
                    writes,
                    outcome,
                });
            });
        }
    }

    /// Each write with the object it changes, null where there is none yet.
    fn with_seen(&self, writes: &[Write]) -> Vec<(Write, Value)> {
        let world = &self.world;
        let seen = |write: &Write| match write {
            Write::ProductStatus(id, _) => world.find_product(id).map(|it| json!(it)),
            Write::KeyStatus(id, _) => world.find_key(id).map(|it| json!(it)),
            Write::RequestStatus(id, _) | Write::ApplyRequest { id, .. } => {
                world.find_request(id).map(|it| json!(it))
            }
            Write::ApprovalStatus(id, _)
            | Write::ApplyApproval { id, .. }
            | Write::AdoptApproval { id, .. } => world.find_approval(id).map(|it| json!(it)),
            _ => None,
        };
        let paired = writes.iter().map(|write| {
            let seen = seen(write).unwrap_or_default();
            (write.clone(), seen)
        });
        paired.collect()
    }

    fn finish(&mut self, report: Done) {
        let Done {
            id,
            writes,
            outcome,
        } = report;
        let mut dirty = BTreeSet::new();
        for answer in outcome.answers {
            dirty.extend(self.world.observe(answer));
        }
        self.queue.done(&id);
        match outcome.failure {
            None => self.rounds.note(&id, writes),
            Some((lane, failure)) => {
                warn!(?id, category = failure.category(), error = %failure, "a write failed; trying again later");
                self.fail(&id, lane);
            }
        }
        if self.is_informed() {
            let turn = self.rounds.turn(&id);
            self.consider(id, turn);
        }
        self.consider_all(dirty);
    }

    fn fail(&mut self, id: &Id, lane: Lane) {
        self.queue
            .failed(id, lane, Timestamp::now(), rand::random());
    }
}

/// A decision that panics is a mistake of ours, and harms its own id only.
fn survive<T>(id: &Id, decide: impl FnOnce() -> T) -> Option<T> {
    // The World is only read: nothing is left half changed.
    let decision = catch_unwind(AssertUnwindSafe(decide));
    if decision.is_err() {
        error!(?id, "deciding panicked, which is a bug; trying again later");
    }
    decision.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use devportal_api::id::KeyId;

    #[test]
    fn a_decision_that_panics_harms_no_other() {
        let id = Id::Key(KeyId::new("ns", "poison"));
        assert_eq!(survive(&id, || panic!("on purpose")), None::<()>);
        assert_eq!(survive(&id, || 1), Some(1));
    }
}
