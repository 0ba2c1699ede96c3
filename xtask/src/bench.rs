//! How fast is it? The benchmarks are a program of their own, built for release.

use std::process::ExitCode;

use anyhow::{Context, Result};
use devportal_stack::{cargo, repository};

pub(crate) async fn run(arguments: &[String]) -> Result<ExitCode> {
    let status = cargo()
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "devportal-bench",
            "--",
        ])
        .args(arguments)
        .current_dir(repository())
        .status()
        .await
        .context("cannot run cargo")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
