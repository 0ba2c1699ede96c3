//! Who holds the World, and in which order is it acted on?
//!
//! One task takes news in, decides, and hands decisions to writers. Deciding is
//! cheap and happens at once, to know which lane an id belongs in; it happens
//! again when a slot is free, if anything that it rests on is not as it was.

mod seen;

use std::collections::{BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use devportal_api::id::{KeyId, SecretId};
use devportal_api::{APIKey, name};
use devportal_core::brake::{Failure, Hindrance};
use devportal_core::change::Source;
use devportal_core::world::Followed;
use devportal_core::{Change, Decision, Group, Id, Need, Settings, World, Write, decide};
use devportal_mirror::{Scope, Trouble};
use devportal_traces::TARGET;
use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tracing::{Instrument, debug, debug_span, error, info, warn};

use crate::apply::{Outcome, Writer};
use crate::fetch::Fetcher;
use crate::follow::Follower;
use crate::health::Readiness;
use crate::lead::Leads;
use crate::metrics::{Delays, Metrics};
use crate::needs::Needs;
use crate::queue::{Lane, Queue, Turn};
use crate::vital::Vital;

/// How many ids are written at a time, four of them revocations only ([`Queue`]). More write no
/// faster where the API server is what is waited for, and make a revocation wait with them: see
/// `cargo xtask bench controller` and `bench gateway`.
const SLOTS: usize = 12;
/// When a decision that panicked is made again, unless something changes.
const AFTER_A_PANIC: Duration = Duration::from_mins(1);
/// How long after more is seen of a kind everything is looked at again: an outage ends
/// for all kinds at about one time.
const REVIEW: Duration = Duration::from_millis(100);

/// How many are looked at before what has happened meanwhile is heard.
const REVIEWED: usize = 50;
/// Decisions that are kept until they are carried out, or are to be made again.
const DECIDED: usize = 64;
/// How long lists that fail are waited for at the start.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a writer reports.
struct Done {
    id: Id,
    /// The key as it was when the writing began: a watch may tell of what was written
    /// before the writer does.
    before: Option<Arc<APIKey>>,
    outcome: Outcome,
}

/// The one task that decides.
pub(crate) struct Engine {
    world: World,
    queue: Queue,
    needs: Needs,
    writer: Arc<Writer>,
    follower: Follower,
    fetcher: Fetcher,
    /// Whether every kind was listed, or cannot be: nothing is decided before.
    has_begun: bool,
    started: Instant,
    /// What the clock said, and when.
    clock: (Timestamp, std::time::Instant),
    review_at: Option<Instant>,
    /// What is yet to be looked at again of everything.
    review: BTreeSet<Id>,
    /// What was decided and stands: [`World::observe`] tells what does not any more.
    decided: HashMap<Id, Decided>,
    vital: Vital,
    leads: Leads,
    ready: watch::Sender<Readiness>,
    kuadrant: watch::Sender<Option<String>>,
    done: mpsc::UnboundedSender<Done>,
    metrics: Metrics,
    delays: Delays,
}

/// A decision that is to be carried out.
struct Decided {
    writes: Vec<Write>,
    /// Until when it stands if nothing happens.
    until: Option<Timestamp>,
}

/// What an engine is made of.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) writer: Writer,
    pub(crate) follower: Follower,
    pub(crate) fetcher: Fetcher,
    pub(crate) vital: Vital,
    pub(crate) leads: Leads,
    pub(crate) ready: watch::Sender<Readiness>,
    pub(crate) kuadrant: watch::Sender<Option<String>>,
    pub(crate) metrics: Metrics,
}

/// Asks the engine to tell its metrics, and is answered when it has.
pub(crate) type Scrape = oneshot::Sender<()>;

/// Runs until the news end.
pub(crate) async fn run(
    parts: Parts,
    mut news: mpsc::Receiver<Change>,
    mut documents: mpsc::Receiver<Change>,
    mut scrapes: mpsc::Receiver<Scrape>,
) {
    let (done, mut reports) = mpsc::unbounded_channel();
    let mut engine = Engine::new(parts, done);
    loop {
        let alarm = engine.until_alarm();
        let review_at = engine.review_at;
        let patience = engine.patience();
        let is_reviewing = !engine.review.is_empty();
        tokio::select! {
            biased;
            Some(report) = reports.recv() => engine.finish(report),
            // Rare, and not to be held up by news that do not end.
            Ok(()) = engine.leads.changed() => {
                // What another replica has done meanwhile took us no time.
                engine.delays = Delays::default();
                engine.look_at_everything();
            }
            Some(document) = documents.recv() => engine.hear(document),
            heard = news.recv() => match heard {
                Some(heard) => engine.hear(heard),
                None => return,
            },
            () = until(patience) => engine.notice_sight(),
            // The one before ends first: what keeps happening keeps no id from its turn.
            () = until(review_at), if !is_reviewing => engine.look_at_everything(),
            () = tokio::time::sleep(alarm) => {}
            // When nothing else has to be done: a revocation does not wait for all keys.
            () = tokio::task::yield_now(), if is_reviewing => engine.review_some(),
            // Last: whoever asks again and again holds nothing up.
            Some(scrape) = scrapes.recv() => engine.tell_metrics(scrape),
        }
        engine.ring();
        engine.start_writers();
        engine.decided.retain(|_, it| !it.writes.is_empty());
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

impl Engine {
    fn new(parts: Parts, done: mpsc::UnboundedSender<Done>) -> Self {
        Self {
            world: World::new(parts.settings),
            queue: Queue::new(SLOTS),
            needs: Needs::default(),
            writer: Arc::new(parts.writer),
            follower: parts.follower,
            fetcher: parts.fetcher,
            has_begun: false,
            started: Instant::now(),
            clock: (Timestamp::now(), std::time::Instant::now()),
            review_at: None,
            review: BTreeSet::new(),
            decided: HashMap::new(),
            vital: parts.vital,
            leads: parts.leads,
            ready: parts.ready,
            kuadrant: parts.kuadrant,
            done,
            metrics: parts.metrics,
            delays: Delays::default(),
        }
    }

    fn until_alarm(&self) -> Duration {
        /// A far alarm is looked at again now and then: clocks are set.
        const FAR: Duration = Duration::from_secs(30);
        let next = self.queue.next_alarm().filter(|_| self.has_begun);
        let Some(at) = next else {
            return FAR;
        };
        Duration::try_from(at.duration_since(Timestamp::now()))
            .unwrap_or_default()
            .min(FAR)
    }

    fn hear(&mut self, news: Change) {
        let dirty = self.observe(news);
        self.tell_kuadrant();
        self.notice_sight();
        self.consider_all(dirty);
    }

    fn observe(&mut self, news: Change) -> BTreeSet<Id> {
        let dirty = self.world.observe(news);
        self.outdate(&dirty);
        dirty
    }

    fn outdate(&mut self, dirty: &BTreeSet<Id>) {
        for id in dirty {
            self.decided.remove(id);
        }
    }

    /// Until when the beginning waits for a kind that cannot be listed at the moment.
    fn patience(&self) -> Option<Instant> {
        let at = self.started + PATIENCE;
        (!self.has_begun && Instant::now() < at).then_some(at)
    }

    /// Of some kind more or less is seen than before, or the beginning has waited long enough.
    fn notice_sight(&mut self) {
        let is_late = !self.has_begun && self.patience().is_none();
        if self.world.take_sight_news() || is_late {
            // What is not seen any more may bear on anything.
            self.decided.clear();
            let followed = self.world.followed();
            let readiness = Readiness::of(&followed);
            let is_passing =
                |it: &Followed| matches!(it.sight.trouble(), Some(Trouble::Failing(_)));
            let has_answered = followed.iter().all(|it| it.sight.has_answered());
            // One failure is no answer yet, and a doubt about everything no small word.
            let is_patient = self.started.elapsed() < PATIENCE && followed.iter().any(is_passing);
            if !self.has_begun && has_answered && !is_patient {
                info!("every kind was listed, or cannot be; deciding");
                self.has_begun = true;
                self.review_at = Some(Instant::now());
            }
            let has_begun = self.has_begun;
            self.ready.send_if_modified(|told| {
                let is_news = has_begun && *told != readiness;
                if is_news {
                    *told = readiness;
                }
                is_news
            });
        }
        if self.world.take_review() && self.has_begun {
            self.decided.clear();
            let at = Instant::now() + REVIEW;
            self.review_at.get_or_insert(at);
        }
    }

    /// Where enforcement Secrets are may change. It is known once all are listed.
    fn tell_kuadrant(&mut self) {
        if !self.world.kuadrants().sight(&Scope::Cluster).is_listed() {
            return;
        }
        let now = self.world.kuadrant_namespace();
        if self.kuadrant.borrow().as_deref() != now {
            self.kuadrant.send_replace(now.map(str::to_owned));
        }
    }

    fn look_at_everything(&mut self) {
        self.review_at = None;
        self.decided.clear();
        let mut all = self.world.everything();
        // What ended meanwhile needs nothing any more.
        all.extend(self.needs.ids().cloned());
        self.review = all;
    }

    fn review_some(&mut self) {
        for _ in 0..REVIEWED {
            if let Some(id) = self.review.pop_first() {
                self.consider_all([id].into());
            }
        }
    }

    /// Whatever else there is to do: what is due does not wait for news to end.
    fn ring(&mut self) {
        let now = Timestamp::now();
        if self.is_set_back(now) && self.has_begun {
            info!("the clock was set back; looking at everything again");
            self.look_at_everything();
        }
        if self.has_begun && self.queue.next_alarm().is_some_and(|at| at <= now) {
            for id in self.queue.due(now) {
                self.decided.remove(&id);
                self.consider(id, Turn::Last);
            }
        }
    }

    /// Whether the clock was set back since it was looked at last: what waits for a time waits
    /// longer then.
    fn is_set_back(&mut self, now: Timestamp) -> bool {
        /// By less than this a clock is corrected all the time.
        const UNNOTICED: Duration = Duration::from_secs(5);
        let (was, at) = std::mem::replace(&mut self.clock, (now, std::time::Instant::now()));
        let expected = was.checked_add(at.elapsed()).unwrap_or(was);
        now.checked_add(UNNOTICED).is_ok_and(|it| it < expected)
    }

    fn consider_all(&mut self, ids: BTreeSet<Id>) {
        if self.has_begun {
            for id in ids {
                self.consider(id, Turn::Last);
            }
        }
    }

    fn tell_metrics(&self, scrape: Scrape) {
        let leads = self.leads.now();
        self.metrics.tell(&self.world, &self.queue, leads);
        // Whoever asked may have gone.
        let _ = scrape.send(());
    }

    /// Decides on an id and puts it in a lane if there is anything to write.
    fn consider(&mut self, id: Id, turn: Turn) {
        if self.queue.is_running(&id) || self.decided.contains_key(&id) {
            return;
        }
        let decided = self.decide(&id);
        if !decided.writes.is_empty() && self.leads.now() {
            self.delays.begin(&id, &decided.writes);
            let lane = Lane::of(&decided.writes);
            self.queue.push(id.clone(), lane, turn);
        }
        if self.decided.len() < DECIDED {
            self.decided.insert(id, decided);
        }
    }

    /// Decides, follows what the decision needs, and sets its alarm.
    fn decide(&mut self, id: &Id) -> Decided {
        let now = Timestamp::now();
        loop {
            let Some(decision) = survive(id, || decide(id, &self.world, now)) else {
                let until = Some(now + AFTER_A_PANIC);
                self.queue.wake(id, until);
                return Decided {
                    writes: Vec::new(),
                    until,
                };
            };
            let is_outdated = self.follow(id, &decision.needs) || self.settle(id, &decision);
            if !is_outdated {
                self.queue.wake(id, decision.wake_at);
                return Decided {
                    writes: decision.writes,
                    until: decision.wake_at,
                };
            }
        }
    }

    /// What has nothing left to write is not slowed down the next time. Whether it is to be
    /// decided again for that.
    fn settle(&mut self, id: &Id, decision: &Decision) -> bool {
        let is_open = [Group::Revoke, Group::Access]
            .iter()
            .any(|group| decision.unsettled.contains(group));
        if !is_open {
            self.delays.end(id, &self.metrics);
        }
        if decision.unsettled.is_empty() {
            self.delays.forget(id);
        }
        let mut dirty = self.world.settle(id, &decision.unsettled);
        let is_outdated = dirty.remove(id);
        self.outdate(&dirty);
        self.consider_all(dirty);
        is_outdated
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
                Need::Secret(secret) => {
                    let copied = self.world.copy_of(&secret);
                    self.follower.follow(&secret, copied);
                }
                other => self.fetcher.follow(other),
            }
        }
        is_outdated
    }

    fn start_writers(&mut self) {
        if !self.leads.now() || !self.has_begun {
            return;
        }
        while let Some(id) = self.queue.pop() {
            let stands = |it: &Decided| it.until.is_none_or(|at| Timestamp::now() < at);
            let decided = self.decided.remove(&id).filter(stands);
            let decided = decided.unwrap_or_else(|| self.decide(&id));
            let writes = self.with_seen(decided.writes);
            if writes.is_empty() {
                self.queue.done(&id);
                continue;
            }
            self.delays.note(&id, writes.iter().map(|(write, _)| write));
            debug!(
                %id,
                writes = writes.len(),
                waiting = self.queue.waiting(),
                "writing"
            );
            let before = self.key_of(&id);
            let hands = Arc::clone(&self.writer);
            let done = self.done.clone();
            let mut leads = self.leads.clone();
            let span = debug_span!(target: TARGET, "reconcile", object = %id);
            self.vital.spawn("writes", async move {
                // Whoever leads now must not find us writing beside them.
                let outcome = tokio::select! {
                    outcome = hands.apply(writes).instrument(span) => outcome,
                    () = leads.lost() => Outcome::default(),
                };
                // The engine is gone only when the process ends.
                let _ = done.send(Done {
                    id,
                    before,
                    outcome,
                });
            });
        }
    }

    fn finish(&mut self, report: Done) {
        let Done {
            id,
            before,
            outcome,
        } = report;
        let mut dirty = BTreeSet::new();
        for answer in outcome.answers {
            if let Change::Unkept(kind, path) = &answer
                && !self.world.is_unkept(kind, path)
            {
                warn!(
                    kind,
                    "the installed definition has no place for {path}; going on without. Install \
                     the definitions, then restart: helm upgrade, or devportal crds | kubectl apply \
                     --server-side --force-conflicts -f -"
                );
            }
            if let (Id::Key(key), Change::Source(secret, source)) = (&id, &answer) {
                if *secret != name::generated_source(key) || self.is_brought(key) {
                    // A consumer's own: of that, other news may be under way.
                    self.read_anew(secret);
                    continue;
                }
                if let Source::Is(facts) = source {
                    self.follower.answered(secret, facts.version);
                }
            }
            dirty.extend(self.observe(answer));
        }
        let is_done =
            !outcome.groups.is_empty() && outcome.groups.iter().all(|(_, it)| it.is_none());
        // Of what was broken off another replica may have written the rest, and tells of it.
        if !outcome.groups.is_empty() {
            self.log_standing(&id, before.as_deref(), is_done);
        }
        let now = Timestamp::now();
        for (group, failure) in outcome.groups {
            if let Some(failure) = &failure {
                self.log(&id, group, failure);
            }
            let was_slow = self.world.brakes().hindrance(&id, group).is_some();
            let tried = Change::Tried(id.clone(), group, failure, now, rand::random());
            dirty.extend(self.observe(tried));
            let why = self.world.brakes().hindrance(&id, group);
            if !was_slow && why == Some(Hindrance::DoesNotStay) {
                warn!(%id, ?group, "what was written does not stay; trying again ever more rarely");
            }
        }
        self.tell_kuadrant();
        self.notice_sight();
        self.queue.done(&id);
        if self.has_begun {
            self.consider(id, Turn::Next);
        }
        self.consider_all(dirty);
    }

    /// Has a Secret told by whoever follows it, in order with its other news.
    fn read_anew(&mut self, secret: &SecretId) {
        let need = Need::Secret(secret.clone());
        if self.needs.has(&need) {
            // What rests on it waits for it.
            self.decided.clear();
            self.world.forget(&need);
            self.follower.follow(secret, None);
        }
    }

    fn is_brought(&self, key: &KeyId) -> bool {
        let key = self.world.find_key(key);
        key.is_some_and(|it| !it.is_generated())
    }

    fn key_of(&self, id: &Id) -> Option<Arc<APIKey>> {
        match id {
            Id::Key(key) => self.world.keys().find(key).cloned(),
            _ => None,
        }
    }

    /// One line for each key that is issued, denied, revoked, over, or stands otherwise.
    fn log_standing(&self, id: &Id, before: Option<&APIKey>, is_done: bool) {
        let Id::Key(key) = id else {
            return;
        };
        match self.world.find_key(key) {
            // Nearly always it is the same object.
            Some(after) if before.is_some_and(|before| std::ptr::eq(before, after)) => {}
            Some(after) => {
                let told = told_of(after);
                if before.and_then(told_of) != told
                    && let Some(told) = told
                {
                    info!(%id, told, "a key stands otherwise than before");
                }
            }
            None if is_done => match self.world.enforcement_of(key).next() {
                None => info!(%id, "a key is gone, and what was made for it"),
                Some((secret, facts)) if facts.deleting => warn!(
                    %id,
                    %secret,
                    "a key is gone, and a finalizer holds its Secret, which opens the API until it is removed"
                ),
                Some(_) => {}
            },
            None => {}
        }
    }

    /// Once per fault, not per try.
    fn log(&self, id: &Id, group: Group, failure: &Failure) {
        let last = self.world.brakes().failure(id, group);
        if last.is_some_and(|it| it.is_like(failure)) {
            debug!(%id, error = %failure.message, "a write failed again");
            return;
        }
        warn!(
            %id,
            target = %failure.target,
            reason = %failure.reason,
            error = %failure.message,
            "a write failed; trying again later"
        );
    }
}

/// How a key stands and whether that is enforced, as its status tells.
fn told_of(key: &APIKey) -> Option<String> {
    let conditions = key.status.as_ref()?.conditions.iter();
    let told = conditions.map(|it| format!("{}={}/{}", it.type_, it.status, it.reason));
    Some(told.collect::<Vec<_>>().join(" "))
}

/// A decision that panics is a mistake of ours, and harms its own id only.
fn survive<T>(id: &Id, decide: impl FnOnce() -> T) -> Option<T> {
    // The World is only read: nothing is left half changed.
    let decision = catch_unwind(AssertUnwindSafe(decide));
    if decision.is_err() {
        error!(%id, "deciding panicked, which is a bug; trying again later");
    }
    decision.ok()
}

#[cfg(test)]
mod tests;
