//! Does it work as it is installed? The image on a real node, by the chart and by
//! kuadrant-operator.

mod chart;
mod operator;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use devportal_stack::{Progress, cargo, load_image, node_permitted, repository};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use tokio::process::Command;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use super::Story;
use crate::wait::until;

/// All of them.
pub(super) fn stories() -> Vec<Story> {
    let mut all = chart::stories();
    all.extend(operator::stories());
    all
}

/// Names an archive of the image that is made already.
const IMAGE_VARIABLE: &str = "DEVPORTAL_IMAGE";

/// One node at a time, for each is a crowd.
async fn turn() -> Result<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::const_new(());
    node_permitted()?;
    Ok(TURN.lock().await)
}

/// Brings our image to the node of a stack.
async fn bring_image(state_dir: &Path) -> Result<()> {
    static ARCHIVE: OnceCell<PathBuf> = OnceCell::const_new();
    let archive = match std::env::var_os(IMAGE_VARIABLE) {
        Some(archive) => &repository().join(archive),
        None => ARCHIVE.get_or_try_init(make_image).await?,
    };
    load_image(state_dir, archive, Progress::OnlyLong).await
}

/// Makes the image as it is released, but for the time that takes.
async fn make_image() -> Result<PathBuf> {
    let folder = repository().join("target/image-dev");
    let mut make = cargo();
    make.args(["run", "--quiet", "--package", "xtask", "--", "image"])
        .args(["--profile", "dev", "--output"])
        .arg(&folder)
        .current_dir(repository());
    run(make).await?;
    Ok(folder.with_extension("tar"))
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

/// Waits until all replicas of a Deployment, this many, answer their probes.
async fn is_ready(admin: &Client, name: &str, replicas: i32) -> Result<()> {
    let all: Api<Deployment> = Api::namespaced(admin.clone(), devportal_stack::NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(admin.clone(), devportal_stack::NAMESPACE);
    until(&format!("{name} is ready"), async || {
        let found = all.get_opt(name).await?;
        let status = found.and_then(|it| it.status).unwrap_or_default();
        let are_there =
            status.ready_replicas == Some(replicas) && status.replicas == Some(replicas);
        if are_there {
            return Ok(Ok(()));
        }
        let pods = pods.list(&ListParams::default()).await?.items;
        Ok(Err(pods.iter().map(in_short).collect::<Vec<_>>()))
    })
    .await
}

/// How a pod is, as far as it has to do with being ready.
fn in_short(pod: &Pod) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let how = containers
        .iter()
        .map(|it| (it.ready, &it.state, &it.last_state));
    let how: Vec<_> = how.collect();
    format!("{} {:?} {how:?}", pod.name_any(), status.phase)
}
