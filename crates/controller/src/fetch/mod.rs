//! How do documents from outside the cluster reach the World?
//!
//! ```text
//! Need ─► Fetcher::follow ─► one task: attempt, compare, Change, sleep ─► …
//! ```
//!
//! The URLs are written by people we do not trust with our network position.
//! What they may learn from us is in one sentence, [`client::UNREACHABLE`].
//!
//! | to change | edit |
//! |---|---|
//! | where a fetch may go | [`address`], [`resolve`] |
//! | what one attempt does | [`client`] |
//! | what a document must be, and when it is news | [`document`] |
//! | when to try again, and how many at once | [`schedule`] |

mod address;
mod client;
mod config;
mod document;
mod resolve;
mod schedule;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use devportal_core::{Change, Need};
use tokio::sync::mpsc::Sender;
use tokio::task::AbortHandle;

pub use self::address::Reach;
pub use self::config::FetchConfig;

use self::client::Client;
use self::document::Document;
use self::resolve::{Lookup, SystemLookup};
use self::schedule::{Refresher, Tracks};
use crate::metrics::Fetches;

/// Fetches the documents that decisions need and keeps them fresh.
///
/// Dropping it stops every fetch.
pub struct Fetcher {
    config: FetchConfig,
    client: Arc<Client>,
    tracks: Tracks,
    changes: Sender<Change>,
    followed: Mutex<HashMap<Need, Followed>>,
    metrics: Fetches,
}

/// A running task; dropping it stops the task, wherever it is.
struct Followed(AbortHandle);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Fetcher {
    /// A fetcher that follows nothing yet and answers on `changes`.
    pub(crate) fn new(
        config: FetchConfig,
        changes: Sender<Change>,
        metrics: Fetches,
    ) -> anyhow::Result<Self> {
        Self::with_lookup(config, changes, SystemLookup, metrics)
    }

    fn with_lookup(
        config: FetchConfig,
        changes: Sender<Change>,
        lookup: impl Lookup + 'static,
        metrics: Fetches,
    ) -> anyhow::Result<Self> {
        let client = Client::new(&config, lookup).context("cannot prepare document fetches")?;
        Ok(Self {
            client: Arc::new(client),
            tracks: Tracks::new(config.concurrency, config.per_host),
            config,
            changes,
            followed: Mutex::default(),
            metrics,
        })
    }

    /// Fetches what is needed, now and whenever it is due, until it is
    /// forgotten. Following twice is following once; a Secret is not for us.
    ///
    /// Must be called within a tokio runtime.
    pub fn follow(&self, need: Need) {
        let Some(document) = Document::of(&need, self.config.openapi_max_size) else {
            return;
        };
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Vacant(vacant) = followed.entry(need) {
            let task = Refresher::new(
                document,
                Arc::clone(&self.client),
                &self.tracks,
                &self.config,
                self.changes.clone(),
                &self.metrics,
            );
            vacant.insert(Followed(tokio::spawn(task.run()).abort_handle()));
        }
    }

    /// Stops fetching, also in the middle of an attempt. An answer that is
    /// already on the channel still arrives.
    pub fn forget(&self, need: &Need) {
        self.followed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(need);
    }
}
