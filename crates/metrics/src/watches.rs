//! How sure is the process of what it knows? A kind that is not listed is not known, and
//! one that has not been heard of for long may have changed.

use std::sync::Arc;

use devportal_mirror::Scope;
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::ours;

/// A kind, and where it is followed.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Followed {
    kind: &'static str,
    /// `cluster`, or the namespace.
    scope: String,
}

/// Tells of every watch.
#[derive(Clone, Debug, Default)]
pub struct Watches {
    listed: Family<Followed, Gauge>,
    heard: Family<Followed, Gauge>,
}

impl Watches {
    /// Registers them.
    pub fn register(registry: &mut Registry) -> Self {
        let watches = Self::default();
        let ours = ours(registry);
        ours.register(
            "watch_listed",
            "Whether everything of a kind is known: 1, or 0 while it cannot be listed or followed",
            watches.listed.clone(),
        );
        ours.register(
            "watch_heard_timestamp_seconds",
            "When a watch last brought anything, bookmarks included, since the epoch",
            watches.heard.clone(),
        );
        watches
    }

    /// Of one kind in one scope.
    pub fn of(&self, kind: &'static str, scope: &Scope) -> Watch {
        let labels = Followed {
            kind,
            scope: match scope {
                Scope::Cluster => "cluster".to_owned(),
                Scope::Namespace(namespace) => namespace.clone(),
            },
        };
        Watch(Some(Arc::new(Told {
            watches: self.clone(),
            labels,
        })))
    }
}

/// Tells of one watch, until it is dropped.
#[derive(Clone, Debug, Default)]
pub struct Watch(Option<Arc<Told>>);

impl Watch {
    /// Something was heard.
    pub fn heard(&self) {
        if let Some(told) = &self.0 {
            let now = Timestamp::now().as_second();
            told.watches.heard.get_or_create(&told.labels).set(now);
        }
    }

    /// Nothing is to be heard: the API server refuses. Since when that is so tells nobody more.
    pub fn is_refused(&self) {
        if let Some(told) = &self.0 {
            told.watches.heard.remove(&told.labels);
        }
    }

    /// Whether everything is known from now on.
    pub fn is_listed(&self, is_listed: bool) {
        if let Some(told) = &self.0 {
            let listed = told.watches.listed.get_or_create(&told.labels);
            listed.set(is_listed.into());
        }
    }
}

#[derive(Debug)]
struct Told {
    watches: Watches,
    labels: Followed,
}

/// Nothing is told of what is not followed any more.
impl Drop for Told {
    fn drop(&mut self) {
        self.watches.listed.remove(&self.labels);
        self.watches.heard.remove(&self.labels);
    }
}
