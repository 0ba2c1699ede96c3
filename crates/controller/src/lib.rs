//! The hands of the developer portal: watch, decide, write.
//!
//! ```text
//! watch ─┐                                               ┌─► follow, fetch (needs)
//! follow ┼─► Change ─► engine: World::observe ─► decide ─┤
//! fetch ─┘                ▲                              └─► queue ─► apply
//!                         └────────── answers ◄──────────────────────┘
//! ```
//!
//! | to change | edit |
//! |---|---|
//! | which kinds are followed | [`kinds`] |
//! | the order of work | [`queue`], [`engine`] |
//! | how a write is made, or a live look taken | [`apply`], [`read`] |
//! | which changes of a status make an Event | [`event`] |
//! | how consumers' namespaces share connections | [`line`] |
//! | what a generated key looks like | [`value`] |
//! | what `/readyz` says | [`health`] |
//! | what goes when the controller goes for good | [`uninstall`] |
//! | what is told at `/metrics` | [`metrics`] |
//! | where documents may come from | [`fetch`] |

mod apply;
mod engine;
mod event;
mod explain;
pub mod fetch;
mod follow;
mod health;
mod kinds;
mod lead;
mod line;
mod metrics;
mod needs;
mod queue;
mod read;
pub mod uninstall;
mod value;
mod vital;

use anyhow::Result;
pub use devportal_core::Settings;
pub use devportal_core::decide::{Explanation, Held};
pub use devportal_core::discover::oldest_kuadrant;
use devportal_metrics::Registry;
use devportal_metrics::serve::Address;
use devportal_mirror::Lens;
use devportal_watch::without_retries;
pub use devportal_watch::{CONSTRAINED_IMPERSONATION, Plain, connect, minor};
use kube::Client;
use tokio::sync::mpsc;
use tokio::sync::watch::{Sender, channel};
use tracing::info;

pub use crate::explain::explain;
pub use crate::lead::LEASE;
pub use crate::metrics::example as metrics_example;

use crate::apply::Writer;
use crate::event::Events;
use crate::fetch::{FetchConfig, Fetcher};
use crate::follow::Follower;
use crate::health::Readiness;
use crate::lead::Leadership;
use crate::line::Lines;
use crate::metrics::Metrics;
use crate::vital::Vital;

/// How the controller is run.
#[derive(Debug)]
pub struct Options {
    /// Where `/healthz`, `/readyz` and `/metrics` answer.
    pub health: Address,
    /// What `/metrics` tells besides.
    pub registry: Registry,
    /// Whether several replicas share the work by a lease.
    pub leader_elect: bool,
    /// How is decided.
    pub settings: Settings,
}

/// News that may wait to be heard; watches pause beyond that.
const BACKLOG: usize = 1024;

/// Runs until `stop` is done, then gives the lease back.
///
/// # Errors
///
/// When the API server cannot be reached at the start, an address is taken, or
/// a setting is wrong.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<()> {
    let config = FetchConfig::from_env()?;
    let (_, kubernetes, _) = connect().await?;
    let kubernetes = without_retries(kubernetes);
    let client = Client::try_from(kubernetes.clone())?;
    let (ready, is_ready) = channel(Readiness::unknown());
    let mut registry = options.registry;
    let metrics = Metrics::register(&mut registry);
    let (ask, scrapes) = mpsc::channel(1);
    let probes = health::listen(options.health).await?;
    health::serve(probes, is_ready, registry, ask);

    let mut leadership = if options.leader_elect {
        Leadership::elected(client.clone(), &lead::namespace(&client)).await?
    } else {
        Leadership::alone()
    };
    let (news, heard) = mpsc::channel(BACKLOG);
    // Each may be half a megabyte.
    let (documents, fetched) = mpsc::channel(4);
    let lens = Lens::new(rand::random());
    let kuadrant = Sender::new(None);
    let (vital, mut fallen) = Vital::new();
    kinds::watch_all(
        &client,
        &lens,
        &news,
        kuadrant.subscribe(),
        &vital,
        &metrics.watches,
    );
    let engine = engine::run(
        engine::Parts {
            settings: options.settings,
            writer: Writer::new(
                client.clone(),
                lens.clone(),
                leadership.leads.clone(),
                metrics.writes.clone(),
                Events::start(client.clone(), &vital),
            ),
            follower: Follower::new(
                client.clone(),
                Lines::new(kubernetes, client),
                lens,
                news,
                vital.clone(),
            ),
            fetcher: Fetcher::new(config, documents, metrics.fetches.clone())?,
            vital,
            leads: leadership.leads.clone(),
            ready,
            kuadrant,
            metrics,
        },
        heard,
        fetched,
        scrapes,
    );
    tokio::select! {
        () = engine => anyhow::bail!("every watch has ended; this is a defect"),
        Some(task) = fallen.recv() => {
            anyhow::bail!("the task of {task} panicked; this is a defect")
        }
        () = leadership.abandoned() => {
            anyhow::bail!("the task of the lease has ended; this is a defect")
        }
        () = stop => info!("stopping"),
    }
    leadership.resign().await;
    Ok(())
}
