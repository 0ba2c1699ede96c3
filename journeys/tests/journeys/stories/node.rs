//! Does it work as it is installed? The image and the chart, on a real node.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use devportal_stack::{
    NAMESPACE, Persona, Program, Progress, cargo, node_permitted, obtain_program, repository,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::process::Command;

use super::replicas::holder;
use super::stories;
use crate::quiet::Quiet;
use crate::stage::Stage;
use crate::wait::until;

stories![what_the_chart_installs_issues_keys_and_outlives_a_pod];

/// 33
async fn what_the_chart_installs_issues_keys_and_outlives_a_pod(_: Arc<Stage>) -> Result<()> {
    if let Err(reason) = node_permitted() {
        eprintln!("left out: {reason:#}");
        return Ok(());
    }
    let quiet = Quiet::start_with_node().await?;
    load_image(quiet.folder()).await?;
    install(&quiet).await?;
    are_ready(&quiet).await?;
    quiet.request_key("first").await?;
    quiet.key_is("first", "Approved").await?;
    // Under the account of its pod, by the token that was mounted there.
    ensure!(!quiet.writes()?.is_empty(), "others wrote");
    let first = kill_leader(&quiet).await?;
    quiet.request_key("second").await?;
    quiet.key_is("second", "Approved").await?;
    ensure!(holder(&quiet).await? != first, "{first} still leads");
    are_ready(&quiet).await?;
    quiet.end().await
}

/// Makes the image as it is released, but for the time that takes.
async fn load_image(folder: &Path) -> Result<()> {
    let mut make = cargo();
    make.args(["run", "--quiet", "--package", "xtask", "--", "image"])
        .args(["--profile", "dev", "--load", "--state-dir"])
        .arg(folder)
        .arg("--output")
        .arg(folder.join("image"))
        .current_dir(repository());
    run(make).await
}

/// Installs the chart over the rights and policies that every stack has.
async fn install(quiet: &Quiet) -> Result<()> {
    let helm = obtain_program(Program::Helm, Progress::OnlyLong).await?;
    let mut install = Command::new(helm);
    install
        .args(["install", "devportal", "deploy/chart"])
        .args(["--namespace", NAMESPACE, "--take-ownership"])
        .args(["--set", "image.pullPolicy=Never,secretAccess.mode=cluster"])
        .env("KUBECONFIG", quiet.stack.kubeconfig(Persona::ClusterAdmin))
        .current_dir(repository());
    run(install).await
}

async fn run(mut command: Command) -> Result<()> {
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Waits until all replicas of both processes answer their probes.
async fn are_ready(quiet: &Quiet) -> Result<()> {
    let deployments: Api<Deployment> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    for name in ["devportal-controller", "devportal-server"] {
        until(&format!("{name} is ready"), async || {
            let status = deployments.get(name).await?.status.unwrap_or_default();
            let is_ready = status.ready_replicas == Some(2) && status.replicas == Some(2);
            Ok(if is_ready { Ok(()) } else { Err(status) })
        })
        .await?;
    }
    Ok(())
}

/// Kills the pod that leads, which has no time to give the lease back.
async fn kill_leader(quiet: &Quiet) -> Result<String> {
    let leader = holder(quiet).await?;
    let (pod, _) = leader.split_once('_').context("it is named by its pod")?;
    let pods: Api<Pod> = Api::namespaced(quiet.admin.clone(), NAMESPACE);
    let uid = pods.get(pod).await?.metadata.uid;
    quiet.stack.kill_pod(&uid.context("it has an identity")?)?;
    Ok(leader)
}
