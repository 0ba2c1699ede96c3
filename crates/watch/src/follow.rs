//! How is a kind followed? Listed once, then watched from that version on, for ever.
//!
//! A watch that breaks off goes on where it was; only when the API server has
//! forgotten that version (410) is the kind listed anew. kube's own watcher does not
//! tell at which version a list was read, by which the mirror tells what is newer than
//! the list from what has ended ([ADR 13]).
//!
//! [ADR 13]: https://github.com/kuadrant/devportal/blob/main/docs/adr/0013-unknown-is-not-gone.md

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use devportal_api::id::ObjectId;
use devportal_mirror::{Kind, Lens, Read, Scope, Told, Trouble, Version};
use futures::{StreamExt, pin_mut};
use jiff::Timestamp;
use kube::api::{ListParams, WatchParams};
use kube::core::WatchEvent;
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use crate::brief::brief;
use crate::guard::Guarded;
use crate::pause::Pause;

/// How long a page of a list may take, and the beginning of a watch: the connection
/// may be gone without a word.
const PATIENCE: Duration = Duration::from_secs(30);
/// A stream that lived so long is a recovery.
const SETTLED: Duration = Duration::from_secs(5);
/// After how long without a word a watch is taken for broken: there is a bookmark each
/// minute, also where nothing changes.
const SILENCE: Duration = Duration::from_secs(100);
/// Seconds after which the API server ends a watch; it goes on in another at once.
const WATCH_FOR: u32 = 290;

/// Where a kind is followed, and how its objects are read.
#[derive(Clone)]
pub struct Source {
    /// The API server.
    pub client: Client,
    /// Every namespace, or one.
    pub scope: Scope,
    /// Turns objects into what is kept of them.
    pub lens: Lens,
    /// Where the watch tells how it is.
    pub metrics: devportal_metrics::watches::Watch,
}

/// Follows a kind until nobody listens. Every observation is told in order.
pub async fn watch<K, T>(source: Source, news: Sender<T>)
where
    K: Kind,
    T: From<Told<K>> + Send,
{
    let watch = Watch::<K, T> {
        api: api::<K>(&source),
        source,
        news,
        trouble: None,
        flawed: HashMap::new(),
        pause: Pause::default(),
        is_silent: false,
        is_behind: false,
    };
    // The one way out is that nobody listens any more.
    let _: Option<std::convert::Infallible> = watch.run().await;
}

/// Lists a kind once, for a look from outside: what it tells ends with the list, or
/// with why there is none.
pub async fn list<K: Kind>(source: &Source) -> Vec<Told<K>> {
    let api = api::<K>(source);
    let mut all = vec![Told::ListBegins(source.scope.clone())];
    let mut page = Page::First;
    loop {
        match page.read::<K>(&api).await {
            Ok((objects, next)) => {
                all.extend(objects.into_iter().map(|it| told(it, &source.lens)));
                match next {
                    Page::Last(version) => {
                        all.push(Told::ListEnds(source.scope.clone(), version));
                        return all;
                    }
                    next => page = next,
                }
            }
            Err(failure) => {
                all.push(failure.told(&source.scope));
                return all;
            }
        }
    }
}

fn api<K: Kind>(source: &Source) -> Api<Guarded<K>> {
    match &source.scope {
        Scope::Cluster => Api::all(source.client.clone()),
        Scope::Namespace(namespace) => Api::namespaced(source.client.clone(), namespace),
    }
}

/// What an object is, as told.
pub fn told<K: Kind>(object: Guarded<K>, lens: &Lens) -> Told<K> {
    let id = id_of::<K>(&object);
    match object.read {
        Read::Whole(object) => Told::Is(id, K::keep(*object, lens)),
        Read::Flawed(object, flaw) => Told::Flawed(id, object.map(|it| K::keep(*it, lens)), flaw),
    }
}

fn id_of<K: Kind>(object: &Guarded<K>) -> K::Id {
    K::Id::named(&object.namespace().unwrap_or_default(), &object.name_any())
}

/// Where a list is.
enum Page {
    First,
    Next(String),
    /// Read to the end; the list is of this version.
    Last(Version),
}

impl Page {
    async fn read<K: Kind>(
        &self,
        api: &Api<Guarded<K>>,
    ) -> Result<(Vec<Guarded<K>>, Self), Failure> {
        let mut params = ListParams::default().limit(K::PAGE).labels(K::SELECTOR);
        if let Self::Next(token) = self {
            params = params.continue_token(token);
        }
        let list = timeout(PATIENCE, api.list(&params)).await;
        let list = list.map_err(|_| Failure::silent())??;
        let next = match list.metadata.continue_.filter(|it| !it.is_empty()) {
            Some(token) => Self::Next(token),
            None => Self::Last(Version::of(list.metadata.resource_version.as_deref())),
        };
        Ok((list.items, next))
    }
}

/// Why a kind could not be listed or followed.
struct Failure {
    trouble: Trouble,
    /// The API server has forgotten the version that was to be followed from.
    is_expired: bool,
}

impl Failure {
    fn silent() -> Self {
        Self::of(Trouble::Failing("the API server does not answer".into()))
    }

    fn of(trouble: Trouble) -> Self {
        Self {
            trouble,
            is_expired: false,
        }
    }

    fn of_status(code: u16, words: String) -> Self {
        let trouble = match code {
            403 => Trouble::Forbidden,
            // The API server answers so to a kind that it does not serve.
            404 => Trouble::NotInstalled,
            _ => Trouble::Failing(words.into()),
        };
        Self {
            trouble,
            is_expired: code == 410,
        }
    }

    fn told<K: Kind>(self, scope: &Scope) -> Told<K> {
        Told::Lost(scope.clone(), self.trouble, Timestamp::now())
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self::of_status(status.code, brief(&error)),
            _ => Self::of(Trouble::Failing(brief(&error).into())),
        }
    }
}

struct Watch<K: Kind, T> {
    source: Source,
    api: Api<Guarded<K>>,
    news: Sender<T>,
    /// What was told last.
    trouble: Option<Trouble>,
    /// The objects that cannot be read, and what was logged of each.
    flawed: HashMap<K::Id, String>,
    pause: Pause,
    /// Whether the last watch ended without a word.
    is_silent: bool,
    /// Whether what was listed last was forgotten by the API server before it could be followed.
    is_behind: bool,
}

impl<K: Kind, T: From<Told<K>> + Send> Watch<K, T> {
    /// `None` when nobody listens any more, here and below.
    async fn run(mut self) -> Option<std::convert::Infallible> {
        loop {
            let Some(mut version) = self.list().await? else {
                continue;
            };
            while let Some(reached) = self.follow(version).await? {
                version = reached;
            }
        }
    }

    /// Lists everything. The version from which to follow; none after a failure.
    async fn list(&mut self) -> Option<Option<String>> {
        self.tell(Told::ListBegins(self.source.scope.clone()))
            .await?;
        let mut page = Page::First;
        loop {
            match page.read::<K>(&self.api).await {
                Ok((objects, next)) => {
                    for object in objects {
                        self.tell_of(object).await?;
                    }
                    if let Page::Last(version) = next {
                        if !self.is_behind {
                            self.pause.reset();
                        }
                        self.recovered();
                        let ends = Told::ListEnds(self.source.scope.clone(), version);
                        self.tell(ends).await?;
                        return Some(Some(version.0.to_string()));
                    }
                    page = next;
                }
                Err(failure) => {
                    self.fail(failure).await?;
                    return Some(None);
                }
            }
        }
    }

    /// Follows from a version on until the watch ends. Where it goes on; nowhere when
    /// everything is to be listed anew.
    async fn follow(&mut self, mut version: String) -> Option<Option<String>> {
        let params = WatchParams::default()
            .timeout(WATCH_FOR)
            .labels(K::SELECTOR);
        let api = self.api.clone();
        let stream = match timeout(PATIENCE, api.watch(&params, &version)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.go_on(error.into(), version).await,
            Err(_) => return self.go_on(Failure::silent(), version).await,
        };
        if self.trouble.is_some() {
            self.recovered();
            self.tell(Told::Resumed(self.source.scope.clone())).await?;
        }
        pin_mut!(stream);
        let began = Instant::now();
        loop {
            let Ok(event) = timeout(SILENCE, stream.next()).await else {
                // Either the connection is gone, or nothing of this kind ever changed since
                // the API server started: then it marks no progress. Asking anew tells, and
                // a list what a watch that goes on saying nothing kept back.
                let was_silent = std::mem::replace(&mut self.is_silent, true);
                return Some((!was_silent).then_some(version));
            };
            self.is_silent = false;
            let Some(event) = event else {
                break;
            };
            // A stream that opens and breaks at once is no recovery.
            if began.elapsed() > SETTLED {
                self.pause.reset();
                self.is_behind = false;
            }
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    version = object.resource_version().unwrap_or(version);
                    self.tell_of(object).await?;
                }
                Ok(WatchEvent::Deleted(object)) => {
                    version = object.resource_version().unwrap_or(version);
                    let uid = object.uid().unwrap_or_default();
                    let at = Version::of(Some(&version));
                    let id = id_of::<K>(&object);
                    self.flawed.remove(&id);
                    let ended = Told::Ended(id, uid, Some(at));
                    self.tell(ended).await?;
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    version = mark.metadata.resource_version;
                    let progress = Version::of(Some(&version));
                    self.tell(Told::Progress(self.source.scope.clone(), progress))
                        .await?;
                }
                Ok(WatchEvent::Error(status)) => {
                    let failure = Failure::of_status(status.code, status.message.clone());
                    return self.go_on(failure, version).await;
                }
                Err(error) => return self.go_on(error.into(), version).await,
            }
        }
        if began.elapsed() < SETTLED {
            // A server that ends every watch at once is not asked without a pause.
            sleep(self.pause.next(false, rand::random())).await;
        }
        Some(Some(version))
    }

    async fn go_on(&mut self, failure: Failure, version: String) -> Option<Option<String>> {
        if failure.is_expired {
            // A list that takes longer than the API server remembers is no reason to list without
            // a pause.
            if std::mem::replace(&mut self.is_behind, true) {
                sleep(self.pause.next(false, rand::random())).await;
            }
            return Some(None);
        }
        // Who may not watch, or not any more, is told so by a list.
        let is_refused = is_refused(&failure.trouble);
        self.fail(failure).await?;
        Some((!is_refused).then_some(version))
    }

    /// Tells of a failure, once to the log, and waits a while.
    async fn fail(&mut self, failure: Failure) -> Option<()> {
        let trouble = failure.trouble.clone();
        if self.trouble.as_ref() != Some(&trouble) {
            let advice = match trouble {
                Trouble::NotInstalled => K::ADVICE,
                Trouble::Forbidden => "see deploy/chart/files/rights.yaml for the rights it needs",
                Trouble::Failing(_) => "",
            };
            warn!(kind = K::NAME, scope = %place(&self.source.scope), error = %trouble, advice, "cannot follow this kind; going on with what is known, and trying again");
        }
        self.trouble = Some(trouble.clone());
        self.tell(failure.told(&self.source.scope)).await?;
        let pause = self.pause.next(is_refused(&trouble), rand::random());
        tokio::select! {
            () = sleep(pause) => Some(()),
            () = self.news.closed() => None,
        }
    }

    fn recovered(&mut self) {
        if self.trouble.take().is_some() {
            info!(kind = K::NAME, scope = %place(&self.source.scope), "followed again");
        }
    }

    async fn tell_of(&mut self, object: Guarded<K>) -> Option<()> {
        let told = told(object, &self.source.lens);
        match &told {
            Told::Flawed(id, _, flaw) => {
                let words = flaw.words();
                if self.flawed.get(id) != Some(&words) {
                    warn!(kind = K::NAME, %id, error = %words, "not all of this object can be read; what was known of it stands");
                    self.flawed.insert(id.clone(), words);
                }
            }
            Told::Is(id, _) if !self.flawed.is_empty() => drop(self.flawed.remove(id)),
            _ => {}
        }
        self.tell(told).await
    }

    async fn tell(&self, told: Told<K>) -> Option<()> {
        let metrics = &self.source.metrics;
        match &told {
            Told::ListBegins(_) => {}
            // That a kind of others is not installed is an answer: there is nothing of it.
            Told::Lost(_, Trouble::NotInstalled, _) if K::IS_FOREIGN => {
                metrics.is_listed(true);
                metrics.heard();
            }
            Told::Lost(_, trouble, _) => {
                metrics.is_listed(false);
                // An API server that refuses is not silent.
                if is_refused(trouble) {
                    metrics.is_refused();
                }
            }
            Told::ListEnds(..) | Told::Resumed(_) => {
                metrics.is_listed(true);
                metrics.heard();
            }
            _ => metrics.heard(),
        }
        self.news.send(told.into()).await.ok()
    }
}

/// Whether the API server answers, and will not until somebody changes something.
fn is_refused(trouble: &Trouble) -> bool {
    matches!(trouble, Trouble::Forbidden | Trouble::NotInstalled)
}

fn place(scope: &Scope) -> Arc<str> {
    match scope {
        Scope::Cluster => "the cluster".into(),
        Scope::Namespace(namespace) => format!("namespace {namespace}").into(),
    }
}

#[cfg(test)]
mod tests;
