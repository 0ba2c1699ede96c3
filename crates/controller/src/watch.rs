//! What goes on in the cluster? One watch per kind, told as Changes.
//!
//! A list is a difference too: what was known and is not listed any more has
//! ended. One object that cannot be read is told once and counts as absent; it
//! stops nobody else's news. A kind whose definition is not installed counts as
//! listed, and is tried again now and then.

use std::collections::HashSet;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use devportal_core::Change;
use devportal_core::world::{Listed, Roll};
use futures::{StreamExt, pin_mut};
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tracing::{error, info, warn};

use crate::complaint::brief;

/// What a watch has to say.
#[derive(Debug)]
pub(crate) enum News {
    /// Something changed.
    Change(Change),
    /// A list begins: what is known to exist is to be held against it. Nothing is
    /// listed before the answer.
    Listing(Listed, oneshot::Sender<Roll>),
    /// Everything of this kind has been told, or the kind is not installed.
    Listed(Listed),
}

/// Between attempts to watch a kind that is not installed.
const ABSENT_RETRY: Duration = Duration::from_secs(10);
/// Between attempts after other failures.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LONGEST_RETRY: Duration = Duration::from_secs(20);

/// How a kind is watched.
pub(crate) struct Kind<K, I> {
    /// For logs and for readiness.
    pub(crate) list: Listed,
    pub(crate) api: Api<DeserializeGuard<K>>,
    pub(crate) config: watcher::Config,
    pub(crate) id: fn(&str, &str) -> I,
    pub(crate) change: Box<dyn Fn(I, Option<K>) -> Change + Send + Sync>,
    /// What to do when the kind is not installed.
    pub(crate) advice: &'static str,
}

/// Watches a kind until nobody listens. What is known and not listed has ended while
/// nobody watched.
pub(crate) async fn watch<K, I>(kind: Kind<K, I>, news: Sender<News>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    I: Clone + Eq + Hash + Display + Send + 'static,
{
    let mut watch = Watch {
        kind,
        news,
        missing: Roll::new(),
        unreadable: HashSet::new(),
    };
    let mut wait = FIRST_RETRY;
    let mut is_absent = false;
    let mut told = String::new();
    loop {
        let stream = watcher(watch.kind.api.clone(), watch.kind.config.clone());
        pin_mut!(stream);
        let failure = loop {
            match stream.next().await {
                Some(Ok(event)) => {
                    // The beginning of a list is not yet an answer.
                    let is_answer = !matches!(event, Event::Init);
                    if is_answer && is_absent {
                        info!(kind = %watch.kind.list, "the definition is installed now");
                        is_absent = false;
                    }
                    if is_answer {
                        wait = FIRST_RETRY;
                        told.clear();
                    }
                    if watch.tell(event).await.is_none() {
                        return;
                    }
                }
                Some(Err(failure)) => break failure,
                None => return,
            }
        };
        let pause = if is_not_installed(&failure) {
            if !is_absent {
                warn!(
                    kind = %watch.kind.list,
                    advice = watch.kind.advice,
                    "the definition is not installed; going on without"
                );
                is_absent = true;
                // A list that shows nothing.
                let is_heard = watch.begin_list().await.is_some();
                if !is_heard || watch.end_list().await.is_none() {
                    return;
                }
            }
            ABSENT_RETRY
        } else {
            let complaint = brief(&failure);
            if told != complaint {
                error!(
                    kind = %watch.kind.list,
                    error = complaint,
                    "the watch broke off; trying again"
                );
                told = complaint;
            }
            wait = (wait * 2).min(LONGEST_RETRY);
            wait
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = watch.news.closed() => return,
        }
    }
}

struct Watch<K, I> {
    kind: Kind<K, I>,
    news: Sender<News>,
    /// Of what was known when the list began, all that it has not shown.
    missing: Roll,
    unreadable: HashSet<I>,
}

impl<K, I> Watch<K, I>
where
    K: Resource<DynamicType = ()> + Clone,
    I: Clone + Eq + Hash + Display,
{
    /// `None` when nobody listens any more.
    async fn tell(&mut self, event: Event<DeserializeGuard<K>>) -> Option<()> {
        match event {
            Event::Init => self.begin_list().await?,
            Event::InitApply(object) => {
                let namespace = object.namespace().unwrap_or_default();
                self.missing.remove(&(namespace, object.name_any()));
                self.apply(object).await?;
            }
            Event::InitDone => self.end_list().await?,
            Event::Apply(object) => self.apply(object).await?,
            Event::Delete(object) => {
                let id = self.id(&object);
                self.unreadable.remove(&id);
                let uid = object.uid().unwrap_or_default();
                let absence = Box::new((self.kind.change)(id, None));
                self.send(Change::Ended(uid, absence)).await?;
            }
        }
        Some(())
    }

    async fn apply(&mut self, object: DeserializeGuard<K>) -> Option<()> {
        let id = self.id(&object);
        let readable = match object.0 {
            Ok(object) => {
                self.unreadable.remove(&id);
                Some(slim(object))
            }
            Err(failure) => {
                if self.unreadable.insert(id.clone()) {
                    warn!(kind = %self.kind.list, %id, error = %failure.error, "this object cannot be read; it counts as absent");
                }
                None
            }
        };
        self.send((self.kind.change)(id, readable)).await
    }

    async fn begin_list(&mut self) -> Option<()> {
        let (tell, told) = oneshot::channel();
        let listing = News::Listing(self.kind.list.clone(), tell);
        self.news.send(listing).await.ok()?;
        self.missing = told.await.ok()?;
        Some(())
    }

    async fn end_list(&mut self) -> Option<()> {
        for end in std::mem::take(&mut self.missing).into_values() {
            self.send(end).await?;
        }
        let listed = News::Listed(self.kind.list.clone());
        self.news.send(listed).await.ok()
    }

    fn id(&self, object: &DeserializeGuard<K>) -> I {
        (self.kind.id)(&object.namespace().unwrap_or_default(), &object.name_any())
    }

    async fn send(&self, change: Change) -> Option<()> {
        self.news.send(News::Change(change)).await.ok()
    }
}

/// The API server answers 404 to a list of a kind it does not serve.
fn is_not_installed(failure: &watcher::Error) -> bool {
    let (watcher::Error::InitialListFailed(failure)
    | watcher::Error::WatchStartFailed(failure)
    | watcher::Error::WatchFailed(failure)) = failure
    else {
        return false;
    };
    matches!(failure, kube::Error::Api(status) if status.code == 404)
}

/// An object without what nobody reads, which is the larger part of it: who manages
/// which field, and what `kubectl apply` noted.
pub(crate) fn slim<K: Resource>(mut object: K) -> K {
    const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
    object.meta_mut().managed_fields = None;
    object.annotations_mut().remove(APPLIED);
    object
}

/// Shares an object.
pub(crate) fn shared<K>(object: Option<K>) -> Option<Arc<K>> {
    object.map(Arc::new)
}
