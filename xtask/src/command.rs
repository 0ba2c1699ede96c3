//! How does a check run another program?

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use devportal_stack::{Progress, cargo, repository};
use tokio::process::Command;

/// One thing to check: a name and a command line.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) line: Vec<String>,
    /// Only then is the step a success; the default is an exit code of 0.
    pub(crate) expect: Expect,
}

/// What tells success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// An exit code of 0.
    Success,
    /// A complaint of cargo that the package is not there at all.
    NotFound,
    /// An exit code of 0, unless the network is closed.
    Reachable,
}

impl Step {
    pub(crate) fn new(name: &'static str, line: &[&str]) -> Self {
        let line = line.iter().map(|word| (*word).to_owned()).collect();
        Self {
            name,
            line,
            expect: Expect::Success,
        }
    }

    pub(crate) fn expecting(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// Runs it; what it said is shown only when it fails.
    pub(crate) async fn run(&self, progress: Progress) -> Result<()> {
        progress.step(self.name, self.attempt()).await
    }

    async fn attempt(&self) -> Result<()> {
        let (program, arguments) = self.line.split_first().context("a step has a command")?;
        let mut command = match program.as_str() {
            "cargo" => cargo(),
            other => Command::new(other),
        };
        let output = command
            .args(arguments)
            .current_dir(repository())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("cannot run {}", self.line.join(" ")))?;
        let (said, complained) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        let well = match self.expect {
            Expect::Success => output.status.success(),
            Expect::Reachable => {
                let closed = complained.contains("failed to fetch advisory database");
                output.status.success() || closed
            }
            Expect::NotFound => {
                complained.contains("did not match any packages")
                    || (output.status.success() && said.trim().is_empty())
            }
        };
        if well {
            return Ok(());
        }
        bail!("`{}` failed:\n{said}{complained}", self.line.join(" "))
    }
}
