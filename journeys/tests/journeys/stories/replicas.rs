//! Two controllers share a cluster: one acts, the other is warm.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;

stories![
    of_two_replicas_one_acts,
    a_killed_replica_is_replaced_within_fifteen_seconds,
    a_stopped_replica_is_replaced_within_two_seconds,
];

/// Two controllers, of which `controller` leads.
async fn two() -> Result<Quiet> {
    let quiet = Quiet::start_with(&["--leader-elect"]).await?;
    quiet.request_key("first").await?;
    quiet.key_is("first", "Approved").await?;
    quiet.stack.add_controller("standby").await?;
    Ok(quiet)
}

/// Who leads, as the lease names it.
pub(super) async fn holder(quiet: &Quiet) -> Result<String> {
    let leases: Api<Lease> = Api::namespaced(quiet.admin.clone(), devportal_stack::NAMESPACE);
    let lease = leases.get("6dd6d79d.kuadrant.io").await?;
    lease
        .spec
        .and_then(|spec| spec.holder_identity)
        .context("nobody holds the lease")
}

/// 33: what one controller writes, two do not write twice
async fn of_two_replicas_one_acts(_: Arc<Stage>) -> Result<()> {
    let quiet = two().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = quiet.writes()?.len();
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = quiet.writes()?.split_off(before);
    ensure!(writes.len() == 7, "{writes:#?}");
    ensure!(writes.iter().all(|it| it.answer < 300), "{writes:#?}");
    ensure!(quiet.enforcement_secrets().await? == 2);
    quiet.end().await
}

/// 33
async fn a_killed_replica_is_replaced_within_fifteen_seconds(_: Arc<Stage>) -> Result<()> {
    let quiet = two().await?;
    let first = holder(&quiet).await?;
    quiet.stack.kill("controller").await?;
    acts_within(&quiet, Duration::from_secs(15)).await?;
    ensure!(holder(&quiet).await? != first);
    quiet.end().await
}

/// 33
async fn a_stopped_replica_is_replaced_within_two_seconds(_: Arc<Stage>) -> Result<()> {
    let quiet = two().await?;
    let first = holder(&quiet).await?;
    quiet.stack.end("controller").await?;
    acts_within(&quiet, Duration::from_secs(2)).await?;
    ensure!(holder(&quiet).await? != first);
    quiet.end().await
}

/// A key that is asked for now is approved in time.
async fn acts_within(quiet: &Quiet, limit: Duration) -> Result<()> {
    let begun = Instant::now();
    quiet.request_key("mine").await?;
    quiet.key_is("mine", "Approved").await?;
    let took = begun.elapsed();
    ensure!(took < limit, "nobody acted for {took:?}");
    Ok(())
}
