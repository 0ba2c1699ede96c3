//! When is a document fetched, and how many are at once?

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use devportal_core::Change;
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tokio::sync::{AcquireError, Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep};

use super::client::Client;
use super::config::FetchConfig;
use super::document::Document;
use crate::metrics::{Fetched, Fetches};

/// Room for a number of attempts, with a narrower track for each host, and one for what failed
/// before: many hosts that do not answer do not delay documents that are well, and one host of
/// many such documents does not delay those of others.
pub(super) struct Tracks {
    all: Arc<Semaphore>,
    failing: Arc<Semaphore>,
    per_host: usize,
    hosts: Mutex<HashMap<String, Weak<Host>>>,
}

/// Room for the attempts at one host.
struct Host {
    all: Semaphore,
    /// For one of those that failed before.
    failing: Semaphore,
}

impl Tracks {
    pub(super) fn new(concurrency: usize, per_host: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(concurrency.max(1))),
            failing: Arc::new(Semaphore::new((concurrency / 4).max(1))),
            per_host: per_host.max(1),
            hosts: Mutex::default(),
        }
    }

    fn track(&self, host: String) -> Track {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|_, host| host.strong_count() > 0);
        let known = hosts.get(&host).and_then(Weak::upgrade);
        let of_host = known.unwrap_or_else(|| {
            let room = Arc::new(Host {
                all: Semaphore::new(self.per_host),
                failing: Semaphore::new(1),
            });
            hosts.insert(host, Arc::downgrade(&room));
            room
        });
        Track {
            of_host,
            failing: Arc::clone(&self.failing),
            all: Arc::clone(&self.all),
        }
    }
}

/// The way of one host's attempts.
struct Track {
    of_host: Arc<Host>,
    failing: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// The room of an attempt, until it is dropped: that of what failed before, and that of all.
type Room<'a> = (Option<[SemaphorePermit<'a>; 2]>, [SemaphorePermit<'a>; 2]);

impl Track {
    /// Waits where it is narrow first: who waits there takes no room from others. What failed waits
    /// before it takes room of its host, of which other documents may be well.
    async fn enter(&self, has_failed: bool) -> Result<Room<'_>, AcquireError> {
        let failing = if has_failed {
            let of_host = self.of_host.failing.acquire().await?;
            Some([of_host, self.failing.acquire().await?])
        } else {
            None
        };
        let of_host = self.of_host.all.acquire().await?;
        let room = [of_host, self.all.acquire().await?];
        Ok((failing, room))
    }
}

/// How long to wait after an attempt.
#[derive(Debug)]
pub(super) struct Pace {
    refresh: Duration,
    retry_first: Duration,
    retry_longest: Duration,
    retry_next: Duration,
}

impl Pace {
    pub(super) fn new(config: &FetchConfig) -> Self {
        Self {
            refresh: config.refresh,
            retry_first: config.retry_first,
            retry_longest: config.retry_longest,
            retry_next: config.retry_first,
        }
    }

    /// The pause before jitter.
    pub(super) fn after(&mut self, is_good: bool) -> Duration {
        if is_good {
            self.retry_next = self.retry_first;
            return self.refresh;
        }
        let pause = self.retry_next.min(self.retry_longest);
        self.retry_next = pause.saturating_mul(2);
        pause
    }
}

/// What failed or started together is not repeated together.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.85..1.15))
}

/// The task of one document.
pub(super) struct Refresher {
    document: Document,
    client: Arc<Client>,
    track: Track,
    pace: Pace,
    changes: Sender<Change>,
    metrics: Fetched,
}

impl Refresher {
    pub(super) fn new(
        document: Document,
        client: Arc<Client>,
        tracks: &Tracks,
        config: &FetchConfig,
        changes: Sender<Change>,
        metrics: &Fetches,
    ) -> Self {
        let track = tracks.track(document.host());
        let metrics = metrics.of(document.word());
        Self {
            document,
            client,
            track,
            pace: Pace::new(config),
            changes,
            metrics,
        }
    }

    /// Runs until it is aborted or nobody listens any more.
    pub(super) async fn run(mut self) {
        let mut has_failed = false;
        loop {
            let is_good = {
                // Until it is handed over: what is read takes room.
                let Ok(_room) = self.track.enter(has_failed).await else {
                    return;
                };
                let begun = Instant::now();
                let reply = self.client.fetch(&self.document.wish()).await;
                let took = begun.elapsed();
                let outcome = self.document.take(reply, Timestamp::now());
                let word = match (outcome.is_good, &outcome.news) {
                    (false, _) => "failed",
                    (true, None) => "unchanged",
                    (true, Some(_)) => "changed",
                };
                self.metrics.count(word, took);
                if let Some(news) = outcome.news
                    && self.changes.send(news).await.is_err()
                {
                    return;
                }
                outcome.is_good
            };
            has_failed = !is_good;
            sleep(jittered(self.pace.after(is_good))).await;
        }
    }
}
