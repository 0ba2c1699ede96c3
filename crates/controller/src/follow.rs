//! What becomes of the Secrets that consumers' keys are in?
//!
//! Each is read by name when a key first refers to it, and followed by a watch
//! of *metadata* of its namespace: no other Secret's contents are ever asked
//! for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devportal_api::id::SecretId;
use devportal_core::Change;
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tracing::warn;

use crate::secret::Reader;
use crate::watch::News;

const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// Follows named Secrets, a watch per namespace that has any.
pub(crate) struct Follower {
    client: Client,
    reader: Reader,
    news: Sender<News>,
    namespaces: HashMap<String, Namespace>,
}

struct Namespace {
    names: Arc<Mutex<HashSet<String>>>,
    wanted: UnboundedSender<String>,
    task: JoinHandle<()>,
}

impl Follower {
    pub(crate) fn new(client: Client, reader: Reader, news: Sender<News>) -> Self {
        Self {
            client,
            reader,
            news,
            namespaces: HashMap::new(),
        }
    }

    /// Reads a Secret now and each time it changes.
    pub(crate) fn follow(&mut self, id: &SecretId) {
        let namespace = self
            .namespaces
            .entry(id.namespace.clone())
            .or_insert_with(|| {
                let names = Arc::new(Mutex::new(HashSet::new()));
                let (wanted, asked) = unbounded_channel();
                let follow = Follow {
                    namespace: id.namespace.clone(),
                    client: self.client.clone(),
                    reader: self.reader.clone(),
                    news: self.news.clone(),
                    names: Arc::clone(&names),
                };
                Namespace {
                    names,
                    wanted,
                    task: tokio::spawn(follow.run(asked)),
                }
            });
        let mut names = namespace
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names.insert(id.name.clone());
        // The receiver lives as long as the task, which ends with the entry.
        let _ = namespace.wanted.send(id.name.clone());
    }

    /// Stops following a Secret.
    pub(crate) fn forget(&mut self, id: &SecretId) {
        let Some(namespace) = self.namespaces.get(&id.namespace) else {
            return;
        };
        let mut names = namespace
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names.remove(&id.name);
        let is_last = names.is_empty();
        drop(names);
        if is_last && let Some(namespace) = self.namespaces.remove(&id.namespace) {
            namespace.task.abort();
        }
    }
}

struct Follow {
    namespace: String,
    client: Client,
    reader: Reader,
    news: Sender<News>,
    names: Arc<Mutex<HashSet<String>>>,
}

impl Follow {
    async fn run(self, mut asked: UnboundedReceiver<String>) {
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let mut wait = RETRY;
        let mut is_told = false;
        loop {
            let stream = watcher(api.clone(), watcher::Config::default());
            pin_mut!(stream);
            loop {
                tokio::select! {
                    name = asked.recv() => match name {
                        Some(name) => self.read(&name).await,
                        None => return,
                    },
                    event = stream.next() => match event {
                        Some(Ok(event)) => {
                            wait = RETRY;
                            is_told = false;
                            self.hear(event).await;
                        }
                        Some(Err(failure)) => {
                            if !is_told {
                                warn!(namespace = %self.namespace, error = %failure, "cannot follow the Secrets of this namespace; reading those that keys refer to now and then");
                                is_told = true;
                            }
                            break;
                        }
                        None => break,
                    },
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_RETRY);
            self.read_all().await;
        }
    }

    async fn hear(&self, event: Event<PartialObjectMeta<Secret>>) {
        match event {
            Event::Apply(object) | Event::Delete(object) => {
                let name = object.name_any();
                if self.is_wanted(&name) {
                    self.read(&name).await;
                }
            }
            // What changed while the watch was down is not told one by one.
            Event::InitDone => self.read_all().await,
            Event::Init | Event::InitApply(_) => {}
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }

    async fn read_all(&self) {
        let names = self
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for name in names {
            self.read(&name).await;
        }
    }

    /// Reads until the API server answers: what was not read is not known to be
    /// absent.
    async fn read(&self, name: &str) {
        let id = SecretId::new(&self.namespace, name);
        let mut wait = RETRY;
        while self.is_wanted(name) {
            match self.reader.read(&self.client, &id).await {
                Ok(facts) => {
                    let _ = self
                        .news
                        .send(News::Change(Change::SourceSecret(id, facts)))
                        .await;
                    return;
                }
                Err(failure) => {
                    warn!(secret = %id, error = %failure, "cannot read the Secret a key refers to; trying again");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(LONGEST_RETRY);
                }
            }
        }
    }
}
