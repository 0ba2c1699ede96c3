//! Which replica acts? The one that holds the lease; the others watch along and
//! are warm when it is their turn.

use anyhow::{Context, Result};
use kube::Client;
use kube_lease_manager::LeaseManagerBuilder;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info};

/// The lease of the published operator.
const LEASE: &str = "6dd6d79d.kuadrant.io";
/// How long a lease outlives its holder, in seconds.
const DURATION: u64 = 12;
/// How long before its end it is renewed, in seconds.
const GRACE: u64 = 4;

/// Whether this replica may write, and what gives the lease back at the end.
pub(crate) struct Leadership {
    /// True while this replica may write.
    pub(crate) leads: watch::Receiver<bool>,
    renewal: Option<(watch::Sender<()>, JoinHandle<()>)>,
}

impl Leadership {
    /// Leads always: there is no other replica.
    pub(crate) fn alone() -> Self {
        Self {
            leads: watch::Sender::new(true).subscribe(),
            renewal: None,
        }
    }

    /// Stands for election in a namespace.
    ///
    /// # Errors
    ///
    /// When the lease can neither be read nor made.
    pub(crate) async fn elected(client: Client, namespace: &str) -> Result<Self> {
        let manager = LeaseManagerBuilder::new(client, LEASE)
            .with_namespace(namespace)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await
            .with_context(|| format!("cannot read or make the lease {namespace}/{LEASE}"))?;
        let (mut held, task) = manager.watch().await;
        let (leads, receiver) = watch::channel(*held.borrow_and_update());
        let (stop, mut stopping) = watch::channel(());
        let renewal = tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = held.changed() => {
                        if changed.is_err() {
                            error!("the lease is no longer renewed; not writing any more");
                            leads.send_replace(false);
                            return;
                        }
                        let now = *held.borrow_and_update();
                        info!(leads = now, "leadership changed");
                        leads.send_replace(now);
                    }
                    _ = stopping.changed() => break,
                }
            }
            leads.send_replace(false);
            // Closing the channel makes the manager give the lease back.
            drop(held);
            if let Ok(Err(error)) = task.await {
                error!(%error, "the lease was not given back; it runs out by itself");
            }
        });
        Ok(Self {
            leads: receiver,
            renewal: Some((stop, renewal)),
        })
    }

    /// Stops writing and gives the lease back, so that another takes over at
    /// once.
    pub(crate) async fn resign(self) {
        if let Some((stop, renewal)) = self.renewal {
            stop.send_replace(());
            if let Err(error) = renewal.await {
                error!(%error, "giving the lease back was cut short");
            }
        }
    }
}

/// The namespace this process runs in: of its pod, else of its kubeconfig.
pub(crate) fn namespace(client: &Client) -> String {
    std::env::var("POD_NAMESPACE").unwrap_or_else(|_| client.default_namespace().to_owned())
}
