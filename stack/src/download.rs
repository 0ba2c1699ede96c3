//! Can the official binary be downloaded, and is it the one that was published?
//!
//! A closed network falls through within seconds, and only once per process.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{pin::Program, pin::go_arch, progress::Progress};

static UNREACHABLE: AtomicBool = AtomicBool::new(false);

/// Downloads a program to `target`, if its project publishes binaries.
pub(crate) async fn program(program: Program, target: &Path, progress: Progress) -> Result<()> {
    let (arch, version) = (go_arch(), program.version());
    match program {
        Program::KubeApiserver
        | Program::KubeControllerManager
        | Program::Kubectl
        | Program::KubeScheduler
        | Program::Kubelet => {
            let name = program.name();
            let url = format!("https://dl.k8s.io/{version}/bin/linux/{arch}/{name}");
            let published = text(&format!("{url}.sha256")).await?;
            progress
                .step(&format!("download {program}"), async {
                    file(&url, target).await?;
                    verify(target, published.trim())
                })
                .await?;
        }
        Program::Etcd => {
            let base = format!("https://github.com/etcd-io/etcd/releases/download/{version}");
            let name = format!("etcd-{version}-linux-{arch}");
            let sums = text(&format!("{base}/SHA256SUMS")).await?;
            let published = find_sum(&sums, &format!("{name}.tar.gz"))
                .with_context(|| format!("SHA256SUMS does not name {name}.tar.gz"))?;
            let member = format!("{name}/etcd");
            let archive = Archive {
                url: format!("{base}/{name}.tar.gz"),
                published,
                member,
            };
            progress
                .step(&format!("download {program}"), archive.take(target))
                .await?;
        }
        Program::Helm => {
            let url = format!("https://get.helm.sh/helm-{version}-linux-{arch}.tar.gz");
            let sum = text(&format!("{url}.sha256")).await?;
            let archive = Archive {
                url,
                published: sum.trim().to_owned(),
                member: format!("linux-{arch}/helm"),
            };
            progress
                .step(&format!("download {program}"), archive.take(target))
                .await?;
        }
        Program::Actionlint
        | Program::Containerd
        | Program::ContainerdShim
        | Program::Ctr
        | Program::Bridge
        | Program::Loopback
        | Program::HostLocal => bail!("its project publishes it among others only"),
        Program::Collector | Program::Pause => bail!("it is our own"),
        Program::Authorino | Program::KuadrantOperator | Program::PlanPolicy => {
            bail!("its project publishes images only");
        }
        Program::Envoy => bail!("its project publishes no checksums next to its binaries"),
    }
    executable(target)
}

/// A program in a compressed archive.
struct Archive {
    url: String,
    published: String,
    /// Where in the archive the program is.
    member: String,
}

impl Archive {
    async fn take(&self, target: &Path) -> Result<()> {
        let folder = target.parent().context("a target has a folder")?;
        let packed = folder.join("packed.tar.gz");
        file(&self.url, &packed).await?;
        verify(&packed, &self.published)?;
        let unpacked = Command::new("tar")
            .args(["--strip-components=1", "-xzf"])
            .arg(&packed)
            .arg("-C")
            .arg(folder)
            .arg(&self.member)
            .status()
            .await?;
        ensure!(unpacked.success(), "tar could not unpack {}", self.url);
        std::fs::remove_file(packed)?;
        Ok(())
    }
}

/// Finds the sum of one file in the lines that `sha256sum` writes.
fn find_sum(sums: &str, name: &str) -> Option<String> {
    sums.lines().find_map(|line| {
        let (sum, file) = line.split_once(char::is_whitespace)?;
        (file.trim().trim_start_matches('*') == name).then(|| sum.to_owned())
    })
}

fn verify(path: &Path, published: &str) -> Result<()> {
    let mut digest = Sha256::new();
    digest.update(std::fs::read(path)?);
    let found = hex::encode(digest.finalize());
    ensure!(
        found == published,
        "checksum is {found}, published is {published}"
    );
    Ok(())
}

fn executable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(())
}

async fn text(url: &str) -> Result<String> {
    ensure!(
        !UNREACHABLE.load(Ordering::Relaxed),
        "no network for downloads"
    );
    let output = curl(&["--max-time", "10", url])
        .output()
        .await
        .context("curl is not there")?;
    if !output.status.success() {
        if matches!(output.status.code(), Some(5 | 6 | 7 | 28 | 35)) {
            UNREACHABLE.store(true, Ordering::Relaxed);
        }
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

async fn file(url: &str, target: &Path) -> Result<()> {
    let status = curl(&[
        "--speed-limit",
        "1000",
        "--speed-time",
        "20",
        url,
        "--output",
    ])
    .arg(target)
    .status()
    .await?;
    ensure!(status.success(), "curl could not download {url}");
    Ok(())
}

fn curl(args: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command
        .args([
            "--fail",
            "--silent",
            "--show-error",
            "--location",
            "--proto",
            "=https",
        ])
        .args(["--connect-timeout", "3"])
        .args(args)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_found_by_the_exact_file_name() {
        let sums = "aa  etcd-v3-linux-amd64.tar.gz.sig\nbb  etcd-v3-linux-amd64.tar.gz\n";
        assert_eq!(
            find_sum(sums, "etcd-v3-linux-amd64.tar.gz").as_deref(),
            Some("bb")
        );
        assert_eq!(find_sum(sums, "etcd-v3-linux-arm64.tar.gz"), None);
    }

    #[test]
    fn a_file_with_another_sum_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(verify(file.path(), empty).is_ok());
        assert!(verify(file.path(), "00").is_err());
    }
}
