//! Which cluster is it, and by which certificate authority is it known?

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use kube::{Client, Config};
use tokio::time::sleep;
use tracing::info;

use crate::brief;

/// How often the certificate authority is read again: a kubelet brings a new one within
/// about a minute.
const READ_AGAIN: Duration = Duration::from_secs(30);

/// The cluster of `KUBECONFIG` or of the pod.
///
/// # Errors
///
/// When there is none.
pub async fn find_cluster() -> Result<Config> {
    let mut config = Config::infer().await.context(
        "cannot tell which cluster to use: set KUBECONFIG, or run inside a pod with a ServiceAccount",
    )?;
    // Who asks decides when to ask again: a write that is sent again unasked may be carried
    // out twice, and a busy API server is to be seen at once by brakes, metrics and log.
    config.default_retry = false;
    Ok(config)
}

/// Says that a cluster answers, and which version.
///
/// # Errors
///
/// When it does not.
pub async fn greet(client: &Client, config: &Config) -> Result<()> {
    let server = &config.cluster_url;
    let version = client.apiserver_version().await.map_err(|error| {
        anyhow!(
            "cannot talk to the API server at {server}: {}; is it running, and is the kubeconfig right?",
            brief(&error)
        )
    })?;
    info!(%server, version = %version.git_version, "connected");
    Ok(())
}

/// Done once a cluster is known by other certificate authorities than a client was made with:
/// kube reads them once, so that whoever goes on would trust nobody before long.
pub async fn authority_replaced(config: &Config) {
    loop {
        sleep(READ_AGAIN).await;
        // What is being written just now is read the next time.
        if Config::infer()
            .await
            .is_ok_and(|now| now.root_cert != config.root_cert)
        {
            info!(
                "the cluster's certificate authority was replaced: ending, to begin with the new one"
            );
            return;
        }
    }
}
