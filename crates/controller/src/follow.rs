//! What becomes of the Secrets that consumers' keys are in?
//!
//! Each is read by name when a key first refers to it, and followed by a watch
//! of *metadata* of its namespace: no other Secret's contents are ever asked
//! for.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devportal_api::id::SecretId;
use devportal_api::shared::Shared;
use devportal_core::Change;
use devportal_core::change::Source;
use devportal_metrics::watches::Watch;
use devportal_mirror::{Lens, Named, Scope, SecretFacts, Told, Version};
use devportal_watch::{brief, watch};
use kube::Client;
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::warn;

use crate::line::{Line, Lines};
use crate::read::read;
use crate::vital::Vital;

const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// Observations of metadata that may wait.
const BACKLOG: usize = 256;

/// Follows named Secrets, a watch per namespace that has any.
pub(crate) struct Follower {
    client: Client,
    lens: Lens,
    news: Sender<Change>,
    vital: Vital,
    lines: Lines,
    namespaces: HashMap<Shared, Namespace>,
}

struct Namespace {
    names: Arc<Mutex<HashSet<Shared>>>,
    wanted: UnboundedSender<Shared>,
    tasks: [AbortHandle; 2],
    /// What its watch runs over.
    _line: Line,
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Follower {
    pub(crate) fn new(
        client: Client,
        lines: Lines,
        lens: Lens,
        news: Sender<Change>,
        vital: Vital,
    ) -> Self {
        Self {
            client,
            lines,
            lens,
            news,
            vital,
            namespaces: HashMap::new(),
        }
    }

    /// Reads a Secret now and each time it changes.
    pub(crate) fn follow(&mut self, id: &SecretId) {
        if !self.namespaces.contains_key(&id.namespace) {
            let begun = self.begin(&id.namespace);
            self.namespaces.insert(id.namespace.clone(), begun);
        }
        let Some(namespace) = self.namespaces.get(&id.namespace) else {
            return;
        };
        let mut names = namespace
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        names.insert(id.name.clone());
        // The receiver lives as long as the task, which ends with the entry.
        let _ = namespace.wanted.send(id.name.clone());
    }

    fn begin(&mut self, namespace: &Shared) -> Namespace {
        let names = Arc::new(Mutex::new(HashSet::new()));
        let (wanted, asked) = unbounded_channel();
        let (tell, told) = channel(BACKLOG);
        let line = self.lines.take();
        let source = devportal_watch::Source {
            client: line.client.clone(),
            scope: Scope::Namespace(namespace.to_string()),
            lens: self.lens.clone(),
            // Nobody is alarmed about one of thousands of namespaces.
            metrics: Watch::default(),
        };
        let follow = Follow {
            namespace: namespace.clone(),
            client: self.client.clone(),
            lens: self.lens.clone(),
            news: self.news.clone(),
            names: Arc::clone(&names),
            versions: HashMap::new(),
        };
        let watch = watch::<Named, Told<Named>>(source, tell);
        Namespace {
            names,
            wanted,
            _line: line,
            tasks: [
                self.vital.spawn("Secrets of consumers", watch),
                self.vital
                    .spawn("keys of consumers", follow.run(asked, told)),
            ],
        }
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
        if is_last {
            self.namespaces.remove(&id.namespace);
        }
    }
}

struct Follow {
    namespace: Shared,
    client: Client,
    lens: Lens,
    news: Sender<Change>,
    names: Arc<Mutex<HashSet<Shared>>>,
    /// Of those that exist, the version that was read last.
    versions: HashMap<Shared, Version>,
}

impl Follow {
    async fn run(mut self, mut asked: UnboundedReceiver<Shared>, mut told: Receiver<Told<Named>>) {
        let mut unread = Unread::default();
        let mut listed = HashSet::new();
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                name = asked.recv() => match name {
                    Some(name) => self.read(&name, &mut unread).await,
                    None => return,
                },
                told = told.recv() => match told {
                    // A watch that breaks off goes on or lists anew, and tells what
                    // changed: only without one is each Secret read.
                    Some(Told::Lost(..)) => {
                        failures += 1;
                        if failures > 1 {
                            unread.add(self.names());
                        }
                    }
                    Some(told) => {
                        // The beginning of a list is not yet an answer.
                        if !matches!(told, Told::ListBegins(_)) {
                            failures = 0;
                        }
                        self.hear(told, &mut listed, &mut unread).await;
                    }
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

    async fn hear(&mut self, told: Told<Named>, listed: &mut HashSet<Shared>, unread: &mut Unread) {
        match told {
            Told::ListBegins(_) => listed.clear(),
            Told::Ended(id, ..) => {
                self.versions.remove(&id.name);
                self.read(&id.name, unread).await;
            }
            Told::Is(id, facts) | Told::Answered(id, facts) => {
                if self.is_wanted(&id.name) {
                    self.read_if_changed(&id.name, &facts, unread).await;
                    listed.insert(id.name);
                }
            }
            Told::Flawed(id, ..) => self.read(&id.name, unread).await,
            Told::ListEnds(..) => {
                for name in self.names().difference(listed) {
                    self.read(name, unread).await;
                }
                listed.clear();
            }
            Told::Lost(..) | Told::Resumed(_) | Told::Progress(..) | Told::Left(_) => {}
        }
    }

    async fn read_if_changed(&mut self, name: &Shared, facts: &SecretFacts, unread: &mut Unread) {
        if self.versions.get(name) != Some(&facts.version) {
            self.read(name, unread).await;
        }
    }

    fn names(&self) -> HashSet<Shared> {
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
    async fn read(&mut self, name: &Shared, unread: &mut Unread) {
        if !self.is_wanted(name) {
            self.versions.remove(name);
            return;
        }
        let id = SecretId::new(&self.namespace, name);
        match read(&self.client, &self.lens, &id).await {
            Ok(source) => {
                unread.succeeded(name);
                match &source {
                    Source::Is(facts) => drop(self.versions.insert(name.clone(), facts.version)),
                    Source::Gone(_) | Source::Forbidden => drop(self.versions.remove(name)),
                }
                let _ = self.news.send(Change::Source(id, source)).await;
            }
            Err(failure) => {
                self.versions.remove(name);
                if matches!(&failure, kube::Error::Api(status) if status.code == 403) {
                    let forbidden = Change::Source(id.clone(), Source::Forbidden);
                    let _ = self.news.send(forbidden).await;
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
    names: HashSet<Shared>,
    /// Those that are being read.
    now: Vec<Shared>,
    /// Those whose failure was told.
    told: HashSet<Shared>,
    due: Option<Instant>,
    wait: Duration,
}

impl Unread {
    fn add(&mut self, names: impl IntoIterator<Item = Shared>) {
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
    fn next(&mut self) -> Option<Shared> {
        if self.now.is_empty() {
            self.due = None;
            self.now = std::mem::take(&mut self.names).into_iter().collect();
        }
        self.now.pop()
    }

    /// Whether this failure is news.
    fn failed(&mut self, name: &Shared) -> bool {
        self.add([name.clone()]);
        self.told.insert(name.clone())
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
