//! How do images come to the node? From archives, for there is no registry.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{
    obtain,
    pin::{Program, go_arch},
    pods::{CONTAINERD, RUN, SOCKET},
    progress::Progress,
    state::State,
};

/// The image that holds the namespaces of a pod.
pub(crate) const PAUSE: &str = "localhost/pause:1";

/// The name of our image, without its tag.
pub const IMAGE: &str = "localhost/devportal";

/// Loads an archive of images into the node of a stack. Those that it names by a tag
/// alone get the name [`IMAGE`] before it.
///
/// # Errors
///
/// When no node runs there, or the archive holds no image.
pub async fn load_image(state_dir: &Path, archive: &Path, progress: Progress) -> Result<()> {
    let state_dir = fs::canonicalize(state_dir)?;
    load(&state_dir, archive, &["--base-name", IMAGE], progress).await
}

/// Our image of this version.
pub(crate) fn ours() -> String {
    format!("{IMAGE}:{}", env!("CARGO_PKG_VERSION"))
}

/// Loads one with these arguments for `ctr images import`.
pub(crate) async fn load(
    state_dir: &Path,
    archive: &Path,
    arguments: &[&str],
    progress: Progress,
) -> Result<()> {
    let ctr = obtain::program(Program::Ctr, progress).await?;
    let state = State::find(state_dir)?.context("no stack is there")?;
    let containerd = state
        .survivors()
        .find(|record| record.name == CONTAINERD)
        .context("no node runs: cargo xtask up --with node")?;
    // As seen by containerd, in its room.
    let socket = format!("/proc/{}/root{RUN}/{SOCKET}", containerd.identity.pid);
    let output = Command::new(ctr)
        .args(["--address", &socket, "--namespace", "k8s.io"])
        .args(["images", "import"])
        .args(arguments)
        .arg(archive)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    ensure!(
        output.status.success(),
        "{} cannot be loaded:\n{}",
        archive.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// An archive with the image that holds the namespaces of a pod.
pub(crate) fn pause(program: &Path) -> Result<Vec<u8>> {
    let layer = archive(&[("pause", &fs::read(program)?)])?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&layer)));
    let config = json!({
        "architecture": go_arch(), "os": "linux",
        "config": {"Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    });
    let manifest = json!([
        {"Config": "config.json", "RepoTags": [PAUSE], "Layers": ["layer.tar"]},
    ]);
    archive(&[
        ("manifest.json", manifest.to_string().as_bytes()),
        ("config.json", config.to_string().as_bytes()),
        ("layer.tar", &layer),
    ])
}

fn archive(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes)?;
    }
    Ok(tar.into_inner()?)
}
