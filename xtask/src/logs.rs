//! What does one process say?

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use devportal_stack::log_path;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask logs kube-apiserver
  cargo xtask logs controller -f
  cargo xtask logs audit | jq .verb     each request to the API server")]
pub(crate) struct Arguments {
    /// The process, as `status` names it; `supervisor` and `audit` work too.
    name: String,
    /// Go on with what comes.
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    let path = match arguments.name.as_str() {
        "supervisor" => dir.join("supervisor.log"),
        name => log_path(dir, name),
    };
    let mut log = File::open(&path).with_context(|| {
        format!(
            "no log called {}: there are {}",
            arguments.name,
            names(dir).join(", ")
        )
    })?;
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let count = log.read(&mut chunk)?;
        if count > 0 {
            let mut out = std::io::stdout().lock();
            if out
                .write_all(&chunk[..count])
                .and_then(|()| out.flush())
                .is_err()
            {
                // The reader, `head` for example, has seen enough.
                return Ok(ExitCode::SUCCESS);
            }
            continue;
        }
        if !arguments.follow {
            return Ok(ExitCode::SUCCESS);
        }
        if std::fs::metadata(&path).is_ok_and(|found| found.len() < position(&mut log)) {
            // A new run has begun the log anew.
            log = File::open(&path)?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn position(log: &mut File) -> u64 {
    log.stream_position().unwrap_or(0)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("logs"))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
        .chain(["supervisor".to_owned()])
        .collect();
    names.sort();
    names
}
