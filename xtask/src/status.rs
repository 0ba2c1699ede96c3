//! What runs, since when, and how much does it use?

use std::{
    io::{IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use clap::ValueEnum;
use devportal_stack::{Identity, Phase, Record, State, find_leftovers, uptime};
use serde::Serialize;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit code: 0 when everything runs, 1 when not.

Examples:
  cargo xtask status
  cargo xtask status -o json | jq '.processes[].memoryBytes'")]
pub(crate) struct Arguments {
    /// How to write it.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
    Yaml,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    processes: Vec<Row>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    process: String,
    pid: u32,
    port: Option<u16>,
    state: &'static str,
    memory_bytes: Option<u64>,
    uptime_seconds: Option<u64>,
}

pub(crate) fn run(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    let report = report(dir)?;
    match arguments.output {
        Output::Table => print(&table(&report)),
        Output::Json => print(&(serde_json::to_string_pretty(&report)? + "\n")),
        Output::Yaml => print(&serde_yaml_ng::to_string(&report)?),
    }
    let well = report.state == "running" && report.processes.iter().all(|p| p.state == "running");
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn print_table(dir: &Path) -> Result<()> {
    print(&table(&report(dir)?));
    Ok(())
}

fn report(dir: &Path) -> Result<Report> {
    let Some(state) = State::find(dir)? else {
        return Ok(Report {
            state: "never started".into(),
            reason: None,
            processes: Vec::new(),
        });
    };
    let supervised = state.is_supervised();
    let (word, reason) = match &state.phase {
        Phase::Starting | Phase::Running if !supervised => (
            "abandoned",
            Some(crate::of_stack(
                dir,
                "its supervisor is gone: run cargo xtask down",
            )),
        ),
        Phase::Starting => ("starting", None),
        Phase::Running => ("running", None),
        Phase::Stopped => ("stopped", None),
        Phase::Failed(reason) => ("failed", Some(reason.clone())),
    };
    let mut processes = Vec::new();
    if supervised {
        processes.push(row("supervisor", state.supervisor, None));
    }
    processes.extend(state.processes.iter().map(recorded));
    for other in find_leftovers(dir) {
        if state
            .processes
            .iter()
            .all(|record| record.identity != other)
        {
            // Started by one of the others, as the operator does its extension.
            processes.push(row(&program_of(other), other, None));
        }
    }
    Ok(Report {
        state: word.to_owned(),
        reason,
        processes,
    })
}

fn recorded(record: &Record) -> Row {
    Row {
        uptime_seconds: record
            .identity
            .is_alive()
            .then(|| uptime(record.started).as_secs()),
        ..row(&record.name, record.identity, record.port)
    }
}

fn row(name: &str, identity: Identity, port: Option<u16>) -> Row {
    Row {
        process: name.to_owned(),
        pid: identity.pid,
        port,
        state: if identity.is_alive() {
            "running"
        } else {
            "gone"
        },
        memory_bytes: identity.resident(),
        uptime_seconds: None,
    }
}

fn program_of(identity: Identity) -> String {
    std::fs::read_to_string(format!("/proc/{}/comm", identity.pid))
        .map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

fn table(report: &Report) -> String {
    let colour = std::io::stdout().is_terminal();
    let paint = |word: &str, good: bool| match (colour, good) {
        (false, _) => word.to_owned(),
        (true, true) => format!("\u{1b}[32m{word}\u{1b}[0m"),
        (true, false) => format!("\u{1b}[31m{word}\u{1b}[0m"),
    };
    let mut text = format!(
        "stack: {}\n",
        paint(&report.state, report.state == "running")
    );
    if let Some(reason) = &report.reason {
        text.push_str(reason);
        text.push('\n');
    }
    if report.processes.is_empty() {
        return text;
    }
    text.push('\n');
    text.push_str(&line(
        ["PROCESS", "PID", "PORT", "STATE", "MEMORY", "UPTIME"].map(String::from),
    ));
    for row in &report.processes {
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        text.push_str(&line([
            row.process.clone(),
            row.pid.to_string(),
            or_dash(row.port.map(|port| port.to_string())),
            paint(&format!("{:<9}", row.state), row.state == "running"),
            or_dash(row.memory_bytes.map(|bytes| format!("{} MiB", bytes >> 20))),
            or_dash(row.uptime_seconds.map(duration)),
        ]));
    }
    text
}

fn line([process, pid, port, state, memory, uptime]: [String; 6]) -> String {
    format!("{process:<26}{pid:>8}{port:>8}  {state:<9}{memory:>9}{uptime:>9}\n")
}

/// A reader that has seen enough, `head` for example, is no error.
fn print(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_uptime_is_as_short_as_it_can_be() {
        assert_eq!(
            [duration(9), duration(75), duration(3720)],
            ["9s", "1m15s", "1h02m"]
        );
    }

    #[test]
    fn a_stack_that_never_started_is_no_error() {
        let dir = std::env::temp_dir().join("devportal-never-started");
        assert_eq!(report(&dir).unwrap().state, "never started");
    }
}
