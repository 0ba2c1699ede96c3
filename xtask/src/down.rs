//! How does everything end, even when its supervisor cannot help any more?

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use devportal_stack::{Identity, Progress, State, end_leftovers};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(45);

pub(crate) async fn run(dir: &Path) -> Result<ExitCode> {
    let progress = Progress::detect();
    let supervisor = State::find(dir)?
        .filter(State::is_supervised)
        .map(|s| s.supervisor);
    if let Some(supervisor) = supervisor {
        progress.step("stop everything", stop(supervisor)).await?;
    }
    let ended = end_leftovers(dir)?;
    match (supervisor, ended) {
        (None, 0) => println!("Nothing runs."),
        (_, 0) => println!("Stopped."),
        (_, count) => {
            println!("Stopped, with {count} processes that nobody looked after any more.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop(supervisor: Identity) -> Result<()> {
    supervisor.signal(Signal::SIGTERM);
    let begun = tokio::time::Instant::now();
    while supervisor.is_alive() {
        if begun.elapsed() > PATIENCE {
            supervisor.signal(Signal::SIGKILL);
        }
        if begun.elapsed() > PATIENCE * 2 {
            bail!("the supervisor (process {}) does not end", supervisor.pid);
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    Ok(())
}
