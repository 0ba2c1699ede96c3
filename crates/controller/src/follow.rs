//! What becomes of the Secrets that consumers' keys are in?
//!
//! Each is read by name when a key first refers to it, and followed by a watch
//! of *metadata* of its namespace: no other Secret's contents are ever asked
//! for. One that is still the version that a credential was copied from is not
//! read at all: a start asks for lists, and only for what was written since. Where neither
//! the list nor the Secret may be read, the list alone is asked for, and the Secret now and then.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devportal_api::id::SecretId;
use devportal_api::shared::Shared;
use devportal_core::Change;
use devportal_core::change::Source;
use devportal_metrics::watches::Watch;
use devportal_mirror::{Copied, Lens, Named, Scope, SecretFacts, Told, Trouble, Version};
use devportal_watch::{brief, watch};
use kube::Client;
use tokio::sync::mpsc::{
    Receiver, Sender, UnboundedReceiver, UnboundedSender, channel, unbounded_channel,
};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::line::{Line, Lines};
use crate::read::read;
use crate::vital::Vital;

const RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(10);
/// How long one that may be neither listed nor read is not asked for: the right to read it alone
/// may have been given.
const BAR: Duration = Duration::from_mins(10);
/// How long a Secret is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
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

/// The Secrets that are followed in a namespace.
type Names = Arc<Mutex<HashMap<Shared, Wanted>>>;

/// A Secret that is followed.
#[derive(Default)]
struct Wanted {
    /// What credentials tell of it, until something else does.
    copied: Option<Copied>,
    /// Whether anything was told of it since it is wanted.
    is_told: bool,
    /// Whether that was that it is not there.
    is_gone: bool,
    /// The version that a write of our own answered with: all of that one is known.
    answered: Option<Version>,
}

impl Wanted {
    fn answered(&mut self, version: Version) {
        self.answered = Some(version);
        self.is_gone = false;
    }
}

struct Namespace {
    names: Names,
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

    /// Tells of a Secret now and each time it changes. Reads it, unless it is what it was
    /// copied from.
    pub(crate) fn follow(&mut self, id: &SecretId, copied: Option<Copied>) {
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
        let wanted = Wanted {
            copied,
            ..Wanted::default()
        };
        names.insert(id.name.clone(), wanted);
        // The receiver lives as long as the task, which ends with the entry.
        let _ = namespace.wanted.send(id.name.clone());
    }

    fn begin(&mut self, namespace: &Shared) -> Namespace {
        let names = Names::default();
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
            others: Some(HashMap::new()),
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

    /// A write of our own answered with this version of a Secret.
    pub(crate) fn answered(&self, id: &SecretId, version: Version) {
        let Some(namespace) = self.namespaces.get(&id.namespace) else {
            return;
        };
        let names = namespace.names.lock();
        let mut names = names.unwrap_or_else(PoisonError::into_inner);
        if let Some(wanted) = names.get_mut(&id.name) {
            wanted.answered(version);
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
    names: Names,
    /// Of those that exist, the version that was told last.
    versions: HashMap<Shared, Version>,
    /// What was listed first beside them: at a start the keys that want it are still being
    /// looked at. Nothing from the first word of the watch on that all is told.
    others: Option<HashMap<Shared, SecretFacts>>,
}

impl Follow {
    async fn run(mut self, mut asked: UnboundedReceiver<Shared>, mut told: Receiver<Told<Named>>) {
        let mut unread = Unread::default();
        let mut listed = Listed::default();
        let mut failures = 0_u32;
        loop {
            tokio::select! {
                name = asked.recv() => match name {
                    Some(name) => self.begin(&name, &mut listed, &mut unread).await,
                    None => return,
                },
                told = told.recv() => match told {
                    // A watch that breaks off goes on or lists anew, and tells what
                    // changed: only without one is each Secret read.
                    Some(Told::Lost(_, trouble, _)) => {
                        failures += 1;
                        let names = self.names();
                        unread.lost(&trouble, &names);
                        if failures > 1 || !listed.is_complete {
                            unread.add(names);
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

    async fn hear(&mut self, told: Told<Named>, listed: &mut Listed, unread: &mut Unread) {
        match told {
            Told::ListBegins(_) => {
                listed.names.clear();
                // Of one that ended meanwhile nothing more is told.
                if let Some(others) = &mut self.others {
                    others.clear();
                }
            }
            Told::Ended(id, ..) => {
                self.versions.remove(&id.name);
                if let Some(others) = &mut self.others {
                    others.remove(&id.name);
                }
                self.read(&id.name, unread).await;
            }
            Told::Is(id, facts) | Told::Answered(id, facts) => {
                if self.is_wanted(&id.name) {
                    self.read_if_changed(&id.name, &facts, unread).await;
                    listed.names.insert(id.name);
                } else if let Some(others) = &mut self.others {
                    others.insert(id.name, facts);
                }
            }
            Told::Flawed(id, ..) | Told::AnsweredFlawed(id, ..) => {
                self.read(&id.name, unread).await;
            }
            Told::ListEnds(..) => {
                for name in self.names().difference(&listed.names) {
                    // What is known not to be there may be about to be made by us: another word
                    // of that would come after it.
                    if self.wanted(name, |it| it.is_gone) != Some(true) {
                        self.read(name, unread).await;
                    }
                }
                listed.names.clear();
                listed.is_complete = true;
                unread.is_allowed();
            }
            Told::Progress(..) => self.others = None,
            Told::Resumed(_) => unread.is_allowed(),
            Told::Lost(..) | Told::Left(_) => {}
        }
    }

    /// What is wanted from now on.
    async fn begin(&mut self, name: &Shared, listed: &mut Listed, unread: &mut Unread) {
        let state = |it: &mut Wanted| (it.is_told, it.copied.is_some());
        let Some((false, is_copied)) = self.wanted(name, state) else {
            return;
        };
        self.versions.remove(name);
        // It may have been told before it was forgotten and wanted again.
        listed.names.remove(name);
        let mut others = self.others.iter_mut();
        if let Some(facts) = others.find_map(|it| it.remove(name)) {
            self.read_if_changed(name, &facts, unread).await;
        } else if listed.is_complete || !is_copied {
            self.read(name, unread).await;
        }
        // Else the list tells whether it is what it was copied from.
    }

    async fn read_if_changed(&mut self, name: &Shared, facts: &SecretFacts, unread: &mut Unread) {
        if self.versions.get(name) == Some(&facts.version) {
            return;
        }
        let answered = self.wanted(name, |it| it.answered).flatten();
        if answered == Some(facts.version) {
            unread.succeeded(name);
            self.versions.insert(name.clone(), facts.version);
            return;
        }
        let copied = self.wanted(name, |it| it.copied.take()).flatten();
        let Some(known) = copied.and_then(|it| it.facts(facts)) else {
            self.read(name, unread).await;
            return;
        };
        unread.succeeded(name);
        self.versions.insert(name.clone(), known.version);
        self.tell(name, Source::Is(known)).await;
    }

    async fn tell(&self, name: &Shared, source: Source) {
        self.wanted(name, |it| {
            it.is_told = true;
            it.is_gone = matches!(source, Source::Gone(_));
        });
        let id = SecretId::new(&self.namespace, name);
        let _ = self.news.send(Change::Source(id, source)).await;
    }

    /// What is done with one that is wanted.
    fn wanted<T>(&self, name: &str, with: impl FnOnce(&mut Wanted) -> T) -> Option<T> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get_mut(name).map(with)
    }

    fn names(&self) -> HashSet<Shared> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect()
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.wanted(name, |_| ()).is_some()
    }

    /// Reads one, or notes that it is to be read again: what was not read is
    /// not known to be absent.
    async fn read(&mut self, name: &Shared, unread: &mut Unread) {
        if !self.is_wanted(name) {
            self.versions.remove(name);
            return;
        }
        let id = SecretId::new(&self.namespace, name);
        // The connection may be gone without a word, and the others wait.
        let answer = timeout(PATIENCE, read(&self.client, &self.lens, &id)).await;
        let mut is_forbidden = false;
        let failure = match answer {
            Ok(Ok(source)) => {
                unread.succeeded(name);
                match &source {
                    Source::Is(facts) => drop(self.versions.insert(name.clone(), facts.version)),
                    Source::Gone(_) | Source::Forbidden => drop(self.versions.remove(name)),
                }
                self.tell(name, source).await;
                return;
            }
            Ok(Err(failure)) => {
                is_forbidden = matches!(&failure, kube::Error::Api(status) if status.code == 403);
                if is_forbidden {
                    // Once it may be read again it is told, also where it is as we wrote it.
                    self.wanted(name, |it| it.answered = None);
                    self.tell(name, Source::Forbidden).await;
                }
                brief(&failure)
            }
            Err(_) => "the API server does not answer".to_owned(),
        };
        self.versions.remove(name);
        if unread.failed(name, is_forbidden) {
            warn!(secret = %id, error = failure, "cannot read the Secret a key refers to; trying again");
        }
    }
}

/// How far the list is.
#[derive(Default)]
struct Listed {
    /// What was told of those that are wanted, since it began.
    names: HashSet<Shared>,
    /// Whether all was listed once.
    is_complete: bool,
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
    /// Whether the list was refused, too, when it was asked for last.
    is_unlisted: bool,
    /// Those that may not be read while that is so: the list is waited for, for what allows it
    /// allows to read them, too.
    barred: HashSet<Shared>,
    /// Since when the first of them waits.
    barred_since: Option<Instant>,
    due: Option<Instant>,
    wait: Duration,
}

impl Unread {
    /// To be read after a pause, except those that wait for the list.
    fn add(&mut self, names: impl IntoIterator<Item = Shared>) {
        let barred = &self.barred;
        let names = names.into_iter().filter(|it| !barred.contains(it));
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

    /// The list is lost, for all of those that are wanted.
    fn lost(&mut self, trouble: &Trouble, wanted: &HashSet<Shared>) {
        self.is_unlisted = *trouble == Trouble::Forbidden;
        let is_due = self.barred_since.is_some_and(|it| it.elapsed() > BAR);
        if self.is_unlisted && !is_due {
            self.barred.retain(|it| wanted.contains(it));
        } else {
            self.unbar();
        }
    }

    /// There is a list, or a watch.
    fn is_allowed(&mut self) {
        self.is_unlisted = false;
        self.unbar();
    }

    fn unbar(&mut self) {
        let barred = std::mem::take(&mut self.barred);
        self.barred_since = None;
        self.add(barred);
    }

    /// Whether this failure is news.
    fn failed(&mut self, name: &Shared, is_forbidden: bool) -> bool {
        if is_forbidden && self.is_unlisted {
            self.names.remove(name);
            self.barred.insert(name.clone());
            self.barred_since.get_or_insert_with(Instant::now);
        } else {
            self.add([name.clone()]);
        }
        self.told.insert(name.clone())
    }

    fn succeeded(&mut self, name: &str) {
        self.names.remove(name);
        self.barred.remove(name);
        self.told.remove(name);
        if self.names.is_empty() {
            self.due = None;
            self.wait = Duration::ZERO;
        }
    }
}

#[cfg(test)]
mod tests;
