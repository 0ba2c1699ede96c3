//! What does the controller tell of its work? Gauges of what is known are set when they
//! are asked for; everything else is counted as it happens.

use std::collections::HashMap;
use std::time::Duration;

use devportal_core::world::{ENFORCED, STATES};
use devportal_core::{Id, World, Write};
use devportal_metrics::{Registry, SECONDS, Watches, endpoint, ours};
use devportal_mirror::Scope;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use tokio::time::Instant;

use crate::queue::{Lane, Queue};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Status {
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfLane {
    lane: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfChange {
    change: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Deed {
    kind: &'static str,
    verb: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FailedDeed {
    kind: &'static str,
    verb: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Attempt {
    document: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfDocument {
    document: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reading {
    document: &'static str,
    last: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

fn histograms<L: Clone + std::hash::Hash + Eq>() -> Histograms<L> {
    Family::new_with_constructor(|| Histogram::new(SECONDS))
}

/// With both at nothing: the first of many observations at once is a step, too.
fn delays() -> Histograms<OfChange> {
    let delays = histograms();
    for change in ["grant", "revoke"] {
        drop(delays.get_or_create(&OfChange { change }));
    }
    delays
}

/// Everything the controller tells of itself. Clones tell the same.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) watches: Watches,
    pub(crate) writes: Writes,
    pub(crate) fetches: Fetches,
    leader: Gauge,
    keys: Family<State, Gauge>,
    enforced: Family<Status, Gauge>,
    pending: Gauge,
    oldest: Gauge,
    waiting: Family<OfLane, Gauge>,
    held_back: Gauge,
    outstanding: Gauge,
    delay: Histograms<OfChange>,
}

impl Metrics {
    /// Registers them.
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            watches: Watches::register(registry),
            writes: Writes::default(),
            fetches: Fetches::default(),
            leader: Gauge::default(),
            keys: Family::default(),
            enforced: Family::default(),
            pending: Gauge::default(),
            oldest: Gauge::default(),
            waiting: Family::default(),
            held_back: Gauge::default(),
            outstanding: Gauge::default(),
            delay: delays(),
        };
        let ours = ours(registry);
        ours.register(
            "leader",
            "Whether this replica acts: 1, or 0 while another one does",
            metrics.leader.clone(),
        );
        ours.register(
            "keys",
            "APIKeys by lifecycle condition",
            metrics.keys.clone(),
        );
        ours.register(
            "keys_enforced",
            "Approved APIKeys by the status of their condition Enforced, AwaitingReapproval as True; NoPlans: those that nothing limits, for there are no plans",
            metrics.enforced.clone(),
        );
        ours.register(
            "requests_pending",
            "APIKeys that wait for a decision",
            metrics.pending.clone(),
        );
        ours.register(
            "oldest_pending_request_timestamp_seconds",
            "Since when the APIKey waits for a decision that waits longest, since the epoch; 0: none waits",
            metrics.oldest.clone(),
        );
        ours.register(
            "queue_waiting",
            "Objects that wait to be written, by urgency",
            metrics.waiting.clone(),
        );
        ours.register(
            "revocations_outstanding",
            "APIKeys that are to open nothing, and Secrets of keys that are gone, which the gateway takes still",
            metrics.outstanding.clone(),
        );
        ours.register(
            "held_back",
            "Objects of which the last write failed and is to be tried again",
            metrics.held_back.clone(),
        );
        ours.register(
            "enforcement_delay_seconds",
            "From when a change was seen until all that gives or takes access for it was written",
            metrics.delay.clone(),
        );
        ours.register(
            "writes",
            "Writes that the API server has carried out",
            metrics.writes.done.clone(),
        );
        ours.register(
            "write_failures",
            "Writes that failed, by the API server's reason",
            metrics.writes.failed.clone(),
        );
        ours.register(
            "fetches",
            "Attempts to fetch a document, by what came of them",
            metrics.fetches.attempts.clone(),
        );
        ours.register(
            "fetch_duration_seconds",
            "How long an attempt to fetch a document took",
            metrics.fetches.took.clone(),
        );
        ours.register(
            "documents",
            "Documents that are fetched, by whether the last attempt succeeded",
            metrics.fetches.documents.clone(),
        );
        metrics
    }

    /// Brings what is known up to date.
    pub(crate) fn tell(&self, world: &World, queue: &Queue, leads: bool) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.leader.set(leads.into());
        let tally = world.tally();
        for state in STATES {
            let keys = self.keys.get_or_create(&State { state });
            keys.set(count(tally.in_state(state)));
        }
        for status in ENFORCED {
            let keys = self.enforced.get_or_create(&Status { status });
            keys.set(count(tally.enforced(status)));
        }
        self.pending.set(count(tally.waiting()));
        let outstanding = tally.outstanding() + world.orphans();
        self.outstanding.set(count(outstanding));
        let oldest = tally.waits_since();
        self.oldest.set(oldest.map_or(0, Timestamp::as_second));
        for (lane, name) in [
            (Lane::Revoke, "revoke"),
            (Lane::Other, "other"),
            (Lane::Tell, "tell"),
        ] {
            let waiting = self.waiting.get_or_create(&OfLane { lane: name });
            waiting.set(count(queue.waiting_in(lane)));
        }
        self.held_back.set(count(world.brakes().failing()));
    }
}

/// Everything that is told, with a value of each kind: what the reference is made from.
///
/// # Errors
///
/// None that is known: text takes everything.
pub fn example(mut registry: Registry) -> Result<String, std::fmt::Error> {
    let metrics = Metrics::register(&mut registry);
    let watch = metrics.watches.of("APIKey", &Scope::Cluster);
    watch.is_listed(true);
    watch.heard();
    metrics.tell(&World::default(), &Queue::new(1), true);
    metrics.writes.count("Secret", "create", None);
    metrics.writes.count("Secret", "delete", Some("Forbidden"));
    let mut document = metrics.fetches.of("openapi");
    document.count("changed", Duration::ZERO);
    for change in ["grant", "revoke"] {
        metrics
            .delay
            .get_or_create(&OfChange { change })
            .observe(0.0);
    }
    endpoint::text(&registry)
}

/// Kubernetes' own reasons, and ours. Webhooks may give any other: nobody makes series at
/// will.
const REASONS: [&str; 19] = [
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Expired",
    "Forbidden",
    "Gone",
    "Internal",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
];

/// The reason itself where it is one of these: what others make up may say anything.
pub(crate) fn known_reason(reason: &str) -> &'static str {
    let known = REASONS.into_iter().find(|it| *it == reason);
    known.unwrap_or("Other")
}

/// Counts writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writes {
    done: Family<Deed, Counter>,
    failed: Family<FailedDeed, Counter>,
}

impl Writes {
    /// A write of a kind and verb was carried out, or failed for a reason.
    pub(crate) fn count(&self, kind: &'static str, verb: &'static str, failed: Option<&str>) {
        match failed {
            None => self.done.get_or_create(&Deed { kind, verb }).inc(),
            Some(reason) => {
                let reason = known_reason(reason);
                let deed = FailedDeed { kind, verb, reason };
                self.failed.get_or_create(&deed).inc()
            }
        };
    }
}

/// Counts documents and attempts to fetch them.
#[derive(Clone, Debug)]
pub(crate) struct Fetches {
    attempts: Family<Attempt, Counter>,
    took: Histograms<OfDocument>,
    documents: Family<Reading, Gauge>,
}

/// With all that may be counted at nothing: the first of it is a step, too.
impl Default for Fetches {
    fn default() -> Self {
        let attempts = Family::<Attempt, Counter>::default();
        let documents = Family::<Reading, Gauge>::default();
        for document in ["openapi", "oidc"] {
            for outcome in ["changed", "unchanged", "failed"] {
                drop(attempts.get_or_create(&Attempt { document, outcome }));
            }
            for last in ["succeeded", "failed"] {
                drop(documents.get_or_create(&Reading { document, last }));
            }
        }
        Self {
            attempts,
            took: histograms(),
            documents,
        }
    }
}

impl Fetches {
    /// Of one document of this type.
    pub(crate) fn of(&self, document: &'static str) -> Fetched {
        Fetched {
            fetches: self.clone(),
            document,
            last: None,
        }
    }
}

/// Counts one document, until it is dropped, and attempts to fetch it.
#[derive(Debug)]
pub(crate) struct Fetched {
    fetches: Fetches,
    document: &'static str,
    /// What came of the last attempt.
    last: Option<&'static str>,
}

impl Fetched {
    /// An attempt is over: `changed`, `unchanged` or `failed`.
    pub(crate) fn count(&mut self, outcome: &'static str, took: Duration) {
        let document = self.document;
        let attempt = Attempt { document, outcome };
        self.fetches.attempts.get_or_create(&attempt).inc();
        let took_so_far = self.fetches.took.get_or_create(&OfDocument { document });
        took_so_far.observe(took.as_secs_f64());
        drop(took_so_far);
        self.is_read(Some(match outcome {
            "failed" => "failed",
            _ => "succeeded",
        }));
    }

    fn is_read(&mut self, last: Option<&'static str>) {
        let document = self.document;
        let of = |last| {
            let reading = Reading { document, last };
            self.fetches.documents.get_or_create(&reading)
        };
        if let Some(last) = last {
            of(last).inc();
        }
        if let Some(before) = std::mem::replace(&mut self.last, last) {
            of(before).dec();
        }
    }
}

impl Drop for Fetched {
    fn drop(&mut self) {
        self.is_read(None);
    }
}

/// How long changes of access take, from when they are seen.
#[derive(Debug, Default)]
pub(crate) struct Delays {
    begun: HashMap<Id, Begun>,
}

#[derive(Debug)]
struct Begun {
    at: Instant,
    /// Whether it is to take access away.
    revokes: bool,
    change: Option<&'static str>,
}

impl Delays {
    /// An id has this to write. What is to take access away begins anew, also where something
    /// else could not be written for long.
    pub(crate) fn begin(&mut self, id: &Id, writes: &[Write]) {
        let revokes = writes.iter().any(Write::revokes);
        let begun = self.begun.entry(id.clone()).or_insert_with(|| Begun {
            at: Instant::now(),
            revokes,
            change: None,
        });
        if revokes && !begun.revokes {
            begun.at = Instant::now();
            begun.revokes = true;
        }
    }

    /// This is written for it. Where access is both given and taken, what is taken counts.
    pub(crate) fn note<'a>(&mut self, id: &Id, writes: impl Iterator<Item = &'a Write>) {
        let Some(begun) = self.begun.get_mut(id) else {
            return;
        };
        for write in writes {
            if write.revokes() {
                begun.change = Some("revoke");
            } else if opens(write) && begun.change.is_none() {
                begun.change = Some("grant");
            }
        }
    }

    /// Nothing of it that gives or takes access is left to write: a change that was made is
    /// over.
    pub(crate) fn end(&mut self, id: &Id, metrics: &Metrics) {
        let change = self.begun.get(id).and_then(|it| it.change);
        if let Some(change) = change
            && let Some(begun) = self.begun.remove(id)
        {
            let delay = metrics.delay.get_or_create(&OfChange { change });
            delay.observe(begun.at.elapsed().as_secs_f64());
        }
    }

    /// Nothing of it is left to write.
    pub(crate) fn forget(&mut self, id: &Id) {
        self.begun.remove(id);
    }
}

/// Whether it makes a Secret that the gateway reads: only the consumer's has an owner.
fn opens(write: &Write) -> bool {
    matches!(write, Write::CreateSecret(new) if new.owner.is_none())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use devportal_api::id::{KeyId, SecretId};
    use devportal_core::Group;

    use super::*;

    /// `rate()` sees what is added to a series, and not what one begins with.
    #[test]
    fn delays_are_told_before_the_first_of_them() {
        let mut registry = Registry::default();
        let _metrics = Metrics::register(&mut registry);
        let text = endpoint::text(&registry).unwrap();
        for change in ["grant", "revoke"] {
            let none = format!(r#"enforcement_delay_seconds_count{{change="{change}"}} 0"#);
            assert!(text.contains(&none), "{text}");
        }
    }

    /// However seldom it is tried.
    #[test]
    fn a_document_counts_by_the_last_attempt_at_it_until_it_is_fetched_no_more() {
        let fetches = Fetches::default();
        let documents = || {
            ["succeeded", "failed"].map(|last| {
                let document = "openapi";
                let reading = Reading { document, last };
                fetches.documents.get_or_create(&reading).get()
            })
        };
        let [mut well, mut bad] = [(); 2].map(|()| fetches.of("openapi"));
        assert_eq!(documents(), [0, 0], "none was tried");
        for (outcome, expected) in [
            ("changed", [1, 0]),
            ("failed", [0, 1]),
            ("unchanged", [1, 0]),
        ] {
            well.count(outcome, Duration::ZERO);
            assert_eq!(documents(), expected, "{outcome}");
        }
        for _ in 0..3 {
            bad.count("failed", Duration::ZERO);
        }
        assert_eq!(documents(), [1, 1]);
        drop(well);
        assert_eq!(documents(), [0, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_revocation_takes_from_when_it_was_due_whatever_could_not_be_written_before() {
        let id = Id::Key(KeyId::new("ns", "mine"));
        let revoke = Write::DeleteCredential {
            id: SecretId::new("kuadrant-system", "secret"),
            uid: "u".into(),
            unless: None,
        };
        assert_eq!(revoke.group(), Group::Revoke);
        let mut delays = Delays::default();
        delays.begin(&id, &[]);
        tokio::time::sleep(Duration::from_hours(1)).await;
        delays.begin(&id, std::slice::from_ref(&revoke));
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Looked at again while it waits.
        delays.begin(&id, std::slice::from_ref(&revoke));
        let begun = &delays.begun[&id];
        assert_eq!(begun.at.elapsed(), Duration::from_secs(1));
    }
}
