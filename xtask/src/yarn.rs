//! How does a contributor run yarn in the Backstage workspace, with the Node and the yarn
//! that it wants?

use std::process::{ExitCode, Stdio};

use anyhow::Result;
use devportal_stack::{Progress, Workspace};

pub(crate) async fn run(arguments: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::obtain(Progress::detect()).await?;
    let mut yarn = workspace.yarn(arguments)?;
    let status = yarn.stdin(Stdio::inherit()).status().await?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
