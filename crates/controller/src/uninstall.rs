//! What must go before the controller does? The Secrets that open APIs: with nobody to
//! revoke them they would for ever.
//!
//! The controller is stopped first, for it would make each of them anew. What it has made
//! for people, APIKeys and the copies of generated values, stays.

use std::time::Duration;

use anyhow::{Result, bail};
use devportal_api::id::SecretId;
use devportal_mirror::{Credential, Kind};
use devportal_watch::brief;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::lead;

/// The Deployment that the chart makes, and the operator.
const DEPLOYMENT: &str = "devportal-controller";
/// How many Secrets are deleted at a time.
const AT_ONCE: usize = 8;
const PAUSE: Duration = Duration::from_secs(1);

/// What to take away.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the Secrets are.
    pub kuadrant_namespace: String,
    /// How long the controller may take to end.
    pub patience: Duration,
    /// Only tells what would go.
    pub dry_run: bool,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gone {
    /// Whether a controller was stopped for it.
    pub stopped: bool,
    /// The Secrets that were deleted, or would be.
    pub secrets: Vec<SecretId>,
    /// Those that something keeps although they are deleted: they open APIs still.
    pub held: Vec<SecretId>,
}

/// Stops the controller and deletes what opens APIs.
///
/// # Errors
///
/// When the API server cannot be reached or refuses, or a controller does not end. What was
/// deleted until then is gone; it can be run again.
pub async fn uninstall(options: &Options) -> Result<Gone> {
    let (client, _) = crate::connect().await?;
    let mut gone = Gone::default();
    if !options.dry_run {
        gone.stopped = stop(&client, options.patience).await?;
    }
    let secrets: Api<Secret> = Api::namespaced(client, &options.kuadrant_namespace);
    let ours = ListParams::default().labels(Credential::SELECTOR);
    let found = secrets.list_metadata(&ours).await;
    let found = found.map_err(|error| {
        let namespace = &options.kuadrant_namespace;
        anyhow::anyhow!("cannot list Secrets in {namespace}: {}", brief(&error))
    })?;
    let ids = found.items.iter();
    gone.secrets = ids
        .map(|it| SecretId::new(&options.kuadrant_namespace, it.name_any()))
        .collect();
    if options.dry_run {
        return Ok(gone);
    }
    let names: Vec<String> = gone.secrets.iter().map(|id| id.name.clone()).collect();
    let mut answers = stream::iter(names)
        .map(|name| {
            let secrets = secrets.clone();
            async move {
                let deleted = secrets.delete(&name, &DeleteParams::default()).await;
                (name, deleted)
            }
        })
        .buffer_unordered(AT_ONCE);
    while let Some((name, answer)) = answers.next().await {
        match answer {
            // The object is answered while a finalizer keeps it.
            Ok(answer) if answer.is_left() => {
                let id = SecretId::new(&options.kuadrant_namespace, name);
                gone.held.push(id);
            }
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => bail!("cannot delete Secret {name}: {}", brief(&error)),
        }
    }
    gone.held.sort();
    Ok(gone)
}

/// Stops the controller, if there is one, and waits until nobody holds the lease.
async fn stop(client: &Client, patience: Duration) -> Result<bool> {
    let namespace = lead::namespace(client);
    let begun = Instant::now();
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
    let is_there = deployments.get_opt(DEPLOYMENT).await?.is_some();
    if is_there {
        let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
        let params = PatchParams::default();
        deployments.patch_scale(DEPLOYMENT, &params, &none).await?;
    }
    let leases: Api<Lease> = Api::namespaced(client.clone(), &namespace);
    loop {
        let deployment = deployments.get_opt(DEPLOYMENT).await?;
        let replicas = deployment.and_then(|it| it.status?.replicas).unwrap_or(0);
        let holder = holder(leases.get_opt(lead::LEASE).await?);
        if replicas == 0 && holder.is_none() {
            return Ok(is_there);
        }
        if begun.elapsed() > patience {
            let who = holder.unwrap_or_else(|| format!("{replicas} replicas"));
            bail!(
                "a controller still runs after {} s ({who}): stop it, for it would make each \
                 Secret anew, then run this again",
                patience.as_secs()
            );
        }
        sleep(PAUSE).await;
    }
}

/// Who holds the lease, unless it has run out.
fn holder(lease: Option<Lease>) -> Option<String> {
    let spec = lease?.spec?;
    let holder = spec.holder_identity.filter(|it| !it.is_empty())?;
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    let end = spec.renew_time?.0 + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    (end > Timestamp::now()).then_some(holder)
}
