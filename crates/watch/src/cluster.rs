//! Which cluster is it, and does it answer?

use anyhow::{Context, Result, anyhow};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::{Client, Config};
use tracing::info;

use crate::brief;

/// The first minor version of Kubernetes with constrained impersonation, by which a portal acts for
/// people.
pub const CONSTRAINED_IMPERSONATION: u32 = 36;

/// The minor version of an API server; 0 where it does not tell.
pub fn minor(version: &Info) -> u32 {
    version.minor.trim_end_matches('+').parse().unwrap_or(0)
}

/// A client for the cluster of `KUBECONFIG` or of the pod, how it was configured, and what the API
/// server says that it is. It asks
/// again by itself where the API server is busy; whoever has brakes of their own makes one of
/// [`without_retries`].
///
/// # Errors
///
/// When there is no cluster, or it does not answer.
pub async fn connect() -> Result<(Client, Config, Info)> {
    let config = Config::infer().await.context(
        "cannot tell which cluster to use: set KUBECONFIG, or run inside a pod with a ServiceAccount",
    )?;
    let server = &config.cluster_url;
    let client = Client::try_from(config.clone())?;
    let version = client.apiserver_version().await.map_err(|error| {
        anyhow!(
            "cannot talk to the API server at {server}: {}; is it running, and is the kubeconfig right?",
            brief(&error)
        )
    })?;
    info!(%server, version = %version.git_version, "connected");
    Ok((client, config, version))
}

/// The same cluster for who decides when to ask again: a write that is sent again unasked may
/// be carried out twice, and a busy API server is to be seen at once by brakes, metrics and log.
pub fn without_retries(mut config: Config) -> Config {
    config.default_retry = false;
    config
}
