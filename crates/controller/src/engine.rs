//! Who holds the World, and in which order is it acted on?
//!
//! One task takes news in, decides, and hands decisions to writers. Deciding is
//! cheap and happens at once, to know which lane an id belongs in; it happens
//! again when a slot is free, on what is known by then.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use devportal_core::{Change, Decision, Id, Need, Settings, World, Write, decide};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use crate::apply::{Failure, Writer};
use crate::fetch::Fetcher;
use crate::follow::Follower;
use crate::kinds::ENFORCEMENT;
use crate::needs::Needs;
use crate::queue::{Lane, Queue};
use crate::watch::News;

/// How many ids are written at a time.
const SLOTS: usize = 16;

/// What a writer reports.
struct Done {
    id: Id,
    answers: Vec<Change>,
    outcome: Result<(), Failure>,
}

/// The one task that decides.
pub(crate) struct Engine {
    world: World,
    queue: Queue,
    needs: Needs,
    writer: Arc<Writer>,
    follower: Follower,
    fetcher: Fetcher,
    /// Kinds whose first list is still out.
    unlisted: HashSet<&'static str>,
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
    pub(crate) kinds: HashSet<&'static str>,
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
        let Some(at) = self.queue.next_alarm() else {
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
            News::Listed(kind) => {
                if self.unlisted.remove(kind) && self.is_informed() {
                    info!("every kind is listed; deciding");
                    self.ready.send_replace(true);
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
        if now.is_some() {
            self.unlisted.insert(ENFORCEMENT);
        } else {
            self.unlisted.remove(ENFORCEMENT);
        }
        self.kuadrant.send_replace(now.map(str::to_owned));
        self.look_at_everything();
    }

    fn is_informed(&self) -> bool {
        self.unlisted.is_empty()
    }

    fn look_at_everything(&mut self) {
        if self.is_informed() {
            self.consider_all(self.world.everything());
        }
    }

    fn ring(&mut self) {
        for id in self.queue.due(Timestamp::now()) {
            self.consider(id);
        }
    }

    fn consider_all(&mut self, ids: BTreeSet<Id>) {
        if self.is_informed() {
            for id in ids {
                self.consider(id);
            }
        }
    }

    /// Decides on an id and puts it in a lane if there is anything to write.
    fn consider(&mut self, id: Id) {
        if self.queue.is_running(&id) || self.queue.is_backing_off(&id) {
            return;
        }
        let decision = self.decide(&id);
        if !decision.writes.is_empty() && *self.leads.borrow() {
            let lane = if decision.revokes() {
                Lane::Revoke
            } else {
                Lane::Other
            };
            self.queue.push(id, lane);
        }
    }

    /// Decides, follows what the decision needs, and sets its alarm.
    fn decide(&mut self, id: &Id) -> Decision {
        let decision = decide(id, &self.world, Timestamp::now());
        let difference = self.needs.set(id, &decision.needs);
        for need in &difference.stop {
            match need {
                Need::Secret(secret) => self.follower.forget(secret),
                other => self.fetcher.forget(other),
            }
        }
        for need in difference.begin {
            match need {
                Need::Secret(secret) => self.follower.follow(&secret),
                other => self.fetcher.follow(other),
            }
        }
        self.queue.wake(id, decision.wake_at);
        decision
    }

    fn start_writers(&mut self) {
        if !*self.leads.borrow() {
            return;
        }
        while let Some(id) = self.queue.pop() {
            let decision = self.decide(&id);
            if decision.writes.is_empty() {
                self.queue.succeeded(&id);
                continue;
            }
            debug!(
                ?id,
                writes = decision.writes.len(),
                waiting = self.queue.waiting(),
                "writing"
            );
            let revisions = self.with_statuses(decision.writes);
            let writer = Arc::clone(&self.writer);
            let done = self.done.clone();
            tokio::spawn(async move {
                let (answers, outcome) = writer.apply(&id, revisions, Timestamp::now()).await;
                // The engine is gone only when the process ends.
                let _ = done.send(Done {
                    id,
                    answers,
                    outcome,
                });
            });
        }
    }

    /// Each write with the status it is to replace.
    fn with_statuses(&self, writes: Vec<Write>) -> Vec<(Write, Value)> {
        let world = &self.world;
        let status = |write: &Write| match write {
            Write::ProductStatus(id, _) => world.find_product(id).map(|it| json!(it.status)),
            Write::KeyStatus(id, _) => world.find_key(id).map(|it| json!(it.status)),
            Write::RequestStatus(id, _) => world.find_request(id).map(|it| json!(it.status)),
            Write::ApprovalStatus(id, _) => world.find_approval(id).map(|it| json!(it.status)),
            _ => None,
        };
        let paired = writes.into_iter().map(|write| {
            let status = status(&write).unwrap_or_default();
            (write, status)
        });
        paired.collect()
    }

    fn finish(&mut self, report: Done) {
        let Done {
            id,
            answers,
            outcome,
        } = report;
        let mut dirty = BTreeSet::new();
        for answer in answers {
            dirty.extend(self.world.observe(answer));
        }
        match outcome {
            Ok(()) => {
                let _ = self.queue.succeeded(&id);
                dirty.insert(id);
            }
            Err(failure) => {
                warn!(?id, category = failure.category(), error = %failure, "a write failed; trying again later");
                self.queue.failed(&id, Timestamp::now(), rand::random());
            }
        }
        self.consider_all(dirty);
    }
}
