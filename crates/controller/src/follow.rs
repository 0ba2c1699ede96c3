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
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tracing::warn;

use crate::complaint::brief;
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
                    versions: HashMap::new(),
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
    /// Of those that exist, the version that was read last.
    versions: HashMap<String, String>,
}

impl Follow {
    async fn run(mut self, mut asked: UnboundedReceiver<String>) {
        let api: Api<PartialObjectMeta<Secret>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let stream = watcher(api, watcher::Config::default()).default_backoff();
        pin_mut!(stream);
        let mut unread = Unread::default();
        let mut listed = HashSet::new();
        let mut is_broken = false;
        let mut is_told = false;
        loop {
            tokio::select! {
                name = asked.recv() => match name {
                    Some(name) => self.read(&name, &mut unread).await,
                    None => return,
                },
                event = stream.next() => match event {
                    Some(Ok(event)) => {
                        // The beginning of a list is not yet an answer.
                        if !matches!(event, Event::Init) {
                            (is_broken, is_told) = (false, false);
                        }
                        self.hear(event, &mut listed, &mut unread).await;
                    }
                    // A watch that breaks off lists anew, and the list tells what
                    // changed: only without one is each Secret read.
                    Some(Err(failure)) if is_broken => {
                        if !is_told {
                            warn!(namespace = %self.namespace, error = brief(&failure), "cannot follow the Secrets of this namespace; reading those that keys refer to now and then");
                            is_told = true;
                        }
                        unread.add(self.names());
                    }
                    Some(Err(_)) => is_broken = true,
                    None => return,
                },
                // One at a time: news does not wait for all of them.
                () = unread.is_due() => {
                    if let Some(name) = unread.next() {
                        self.read(&name, &mut unread).await;
                    }
                }
            }
        }
    }

    async fn hear(
        &mut self,
        event: Event<PartialObjectMeta<Secret>>,
        listed: &mut HashSet<String>,
        unread: &mut Unread,
    ) {
        match event {
            Event::Init => listed.clear(),
            Event::Delete(object) => {
                let name = object.name_any();
                self.versions.remove(&name);
                self.read(&name, unread).await;
            }
            Event::Apply(object) => self.read_if_changed(&object, unread).await,
            // What changed while the watch was down is not told one by one.
            Event::InitApply(object) => {
                if self.is_wanted(&object.name_any()) {
                    self.read_if_changed(&object, unread).await;
                    listed.insert(object.name_any());
                }
            }
            Event::InitDone => {
                for name in self.names().difference(listed) {
                    self.read(name, unread).await;
                }
                listed.clear();
            }
        }
    }

    async fn read_if_changed(&mut self, object: &PartialObjectMeta<Secret>, unread: &mut Unread) {
        let name = object.name_any();
        let is_known = self.versions.get(&name) == object.metadata.resource_version.as_ref();
        if !is_known {
            self.read(&name, unread).await;
        }
    }

    fn names(&self) -> HashSet<String> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(name)
    }

    /// Reads one, or notes that it is to be read again: what was not read is
    /// not known to be absent.
    async fn read(&mut self, name: &str, unread: &mut Unread) {
        if !self.is_wanted(name) {
            self.versions.remove(name);
            return;
        }
        let id = SecretId::new(&self.namespace, name);
        match self.reader.read(&self.client, &id).await {
            Ok(facts) => {
                unread.succeeded(name);
                match &facts {
                    Some(facts) => {
                        let version = facts.resource_version.clone();
                        self.versions.insert(name.to_owned(), version);
                    }
                    None => drop(self.versions.remove(name)),
                }
                let _ = self
                    .news
                    .send(News::Change(Change::SourceSecret(id, facts)))
                    .await;
            }
            Err(failure) => {
                self.versions.remove(name);
                if matches!(&failure, kube::Error::Api(status) if status.code == 403) {
                    let forbidden = Change::SourceForbidden(id.clone());
                    let _ = self.news.send(News::Change(forbidden)).await;
                }
                if unread.failed(name) {
                    warn!(secret = %id, error = brief(&failure), "cannot read the Secret a key refers to; trying again");
                }
            }
        }
    }
}

/// Secrets to be read later, together: none holds up the others of its
/// namespace.
#[derive(Default)]
struct Unread {
    names: HashSet<String>,
    /// Those that are being read.
    now: Vec<String>,
    /// Those whose failure was told.
    told: HashSet<String>,
    due: Option<Instant>,
    wait: Duration,
}

impl Unread {
    fn add(&mut self, names: impl IntoIterator<Item = String>) {
        self.names.extend(names);
        if self.due.is_none() && !self.names.is_empty() {
            self.wait = (self.wait * 2).clamp(RETRY, LONGEST_RETRY);
            self.due = Some(Instant::now() + self.wait);
        }
    }

    /// Ends when it is time to read them; never when there are none.
    async fn is_due(&self) {
        match self.due {
            _ if !self.now.is_empty() => {}
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// The next to be read, once it is time.
    fn next(&mut self) -> Option<String> {
        if self.now.is_empty() {
            self.due = None;
            self.now = std::mem::take(&mut self.names).into_iter().collect();
        }
        self.now.pop()
    }

    /// Whether this failure is news.
    fn failed(&mut self, name: &str) -> bool {
        self.add([name.to_owned()]);
        self.told.insert(name.to_owned())
    }

    fn succeeded(&mut self, name: &str) {
        self.names.remove(name);
        self.told.remove(name);
        if self.names.is_empty() {
            self.due = None;
            self.wait = Duration::ZERO;
        }
    }
}
