//! The portal's server: what people see, and what they do, over HTTP.
//!
//! ```text
//! request ─► caller: who is that? ─► access: what may they see? ─► resource ─► store
//!                                                                     │
//!                                      the API server, as the person ◄┘ writes
//! ```
//!
//! It holds no rule of the domain and no power of its own: reads come from a mirror, of
//! what the API server says that the person may see; writes carry the person's headers.
//!
//! | to change | edit |
//! |---|---|
//! | who somebody is | [`caller`] |
//! | what somebody may see and do | [`access`] |
//! | how long an answer of the API server stands | [`remember`] |
//! | what is mirrored | [`store`] |
//! | by what a kind is listed, ordered and searched | [`kinds`], [`shelf`], [`texts`] |
//! | how the API server is written to | [`kubernetes`] |
//! | how connections are served | [`devportal_metrics::serve`] |
//! | how requests are named and logged | [`trace`] |
//! | the form of requests, answers and refusals | [`answer`], [`problem`] |
//! | a resource: its rows, details and actions | [`resource`] |
//! | what is told at `/metrics` | [`metrics`] |
//! | the routes and their documentation | [`document`] |

mod access;
mod answer;
mod caller;
mod convention;
mod document;
mod health;
mod kinds;
mod kubernetes;
mod metrics;
mod problem;
mod reference;
mod remember;
mod resource;
mod shelf;
mod store;
mod texts;
mod trace;
#[cfg(test)]
mod trial;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, Result};
use devportal_metrics::Registry;
use devportal_metrics::serve::{Address, Full, Room, serve};
use devportal_mirror::Lens;
use devportal_watch::{CONSTRAINED_IMPERSONATION, connect, minor, without_retries};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::access::{Access, Places, Right};
use crate::caller::{Door, Me};
pub use crate::convention::{Conventions, Pattern};
pub use crate::document::openapi;
use crate::kubernetes::Kubernetes;
use crate::metrics::Metrics;
pub use crate::metrics::example as metrics_example;
use crate::problem::Problem;
use crate::remember::Memory;
use crate::resource::events::Listeners;
use crate::shelf::{Shelf, Shelved};
use crate::store::{Known, Store};

/// How the server is run.
#[derive(Debug)]
pub struct Options {
    /// Where it listens.
    pub address: Address,
    /// Where `/metrics` answers, if anywhere, and the probes besides.
    pub metrics: Option<Address>,
    /// What `/metrics` tells besides.
    pub registry: Registry,
    /// Whether owners see every route, or only those that are annotated for it.
    pub routes: Routes,
    /// What products are to look like.
    pub conventions: Conventions,
}

/// Which routes are offered to owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Routes {
    /// Every one in namespaces that they may look at.
    #[default]
    All,
    /// Those that a platform engineer has annotated.
    Annotated,
}

/// How many connections of people there may be.
const ROOM: Room = Room {
    places: 4096,
    when_full: Full::Waits,
};

/// What every request needs.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

pub(crate) struct Parts {
    pub(crate) kubernetes: Kubernetes,
    pub(crate) door: Door,
    pub(crate) access: Access,
    pub(crate) store: Store,
    /// The namespaces in which keys can be asked for.
    pub(crate) consumers: Memory<(), Arc<BTreeSet<String>>>,
    pub(crate) listeners: Listeners,
    pub(crate) routes: Routes,
    pub(crate) conventions: Conventions,
    pub(crate) metrics: Metrics,
    /// True when the server stops: streams end by themselves.
    pub(crate) stops: watch::Receiver<bool>,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    fn new(
        kubernetes: Kubernetes,
        routes: Routes,
        conventions: Conventions,
        metrics: Metrics,
        stops: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Parts {
            door: Door::new(&kubernetes.outage),
            access: Access::new(&kubernetes.outage),
            store: Store::new(),
            consumers: Memory::new(&kubernetes.outage),
            listeners: Listeners::default(),
            routes,
            conventions,
            metrics,
            stops,
            kubernetes,
        }))
    }

    /// Where somebody may do something, of the namespaces that hold anything of a kind.
    pub(crate) async fn places<K: Shelved>(
        &self,
        me: &Me,
        right: Right,
        of: fn(&Known) -> &Shelf<K>,
    ) -> Result<Places, Problem> {
        self.places_of(me, right, self.store.namespaces(of)).await
    }

    /// The same, of the namespaces given.
    pub(crate) async fn places_of(
        &self,
        me: &Me,
        right: Right,
        namespaces: Arc<BTreeSet<String>>,
    ) -> Result<Places, Problem> {
        let access = &self.access;
        access.places(&self.kubernetes, me, right, namespaces).await
    }

    /// Whether somebody may do something in a namespace.
    pub(crate) async fn may(
        &self,
        me: &Me,
        right: Right,
        namespace: &str,
    ) -> Result<bool, Problem> {
        let access = &self.access;
        access.may(&self.kubernetes, me, right, namespace).await
    }
}

/// Serves until `stop` is done.
///
/// # Errors
///
/// When the API server cannot be reached at the start, or the address is taken.
pub async fn run(options: Options, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
    let (_, config, version) = connect().await?;
    if minor(&version) < CONSTRAINED_IMPERSONATION {
        warn!(
            version = %version.git_version,
            "this Kubernetes has no constrained impersonation: a portal acts for people only by the verb \
             impersonate, see docs/how-to/run-the-portal-server.md"
        );
    }
    let lens = Lens::new(rand::random());
    let kubernetes = Kubernetes::new(without_retries(config), lens.clone())?;
    let listener = options.address.listen().await.with_context(|| {
        format!(
            "cannot listen on {}; choose another with --address",
            options.address
        )
    })?;
    let mut registry = options.registry;
    let metrics = Metrics::register(&mut registry);
    let (stopping, stops) = watch::channel(false);
    let (routes, conventions) = (options.routes, options.conventions);
    let app = App::new(kubernetes, routes, conventions, metrics, stops);
    if let Some(address) = options.metrics {
        metrics::serve(metrics::listen(address).await?, registry, app.clone());
    }
    info!(address = %listener.local_addr()?, "serving");
    let stop = async move {
        stop.await;
        info!("stopping");
        stopping.send_replace(true);
    };
    tokio::select! {
        () = serve(listener, document::router(app.clone()), ROOM, stop) => Ok(()),
        () = app.store.follow(&app.kubernetes.own, &lens, &app.metrics.watches) => {
            anyhow::bail!("a watch has ended; this is a defect")
        }
    }
}
