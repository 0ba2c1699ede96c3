//! Is the portal well on this cluster, and what is to be done where it is not?
//!
//! Everything is read, nothing is written. What whoever asks may not read is told as not
//! seen, and is no fault.

mod look;
mod rights;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;
use devportal_controller::connect;
use serde::Serialize;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It looks with your rights, which are to be an administrator's, or with those of the
pod that it runs in. The cluster is the one of KUBECONFIG.

Exit codes: 0 all is well, or is not known; 1 nothing could be looked at; 2 there are faults.

Examples:
  devportal doctor
  devportal doctor --namespace=portal -o json
  kubectl exec -n kuadrant-system deploy/devportal-controller -- /devportal doctor"
)]
pub(crate) struct Arguments {
    /// Where the controller runs.
    #[arg(long, env = "POD_NAMESPACE", default_value = "kuadrant-system")]
    namespace: String,
    /// How it is printed.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Output {
    Table,
    Json,
    Yaml,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
enum Level {
    Ok,
    /// It could not be looked at.
    NotSeen,
    /// It works, and is not as it should be.
    Warning,
    /// It does not work.
    Fault,
}

/// What was found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    level: Level,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Finding {
    fn new(check: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self {
            check,
            level,
            message: message.into(),
            next: None,
        }
    }

    fn then(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (client, _) = connect().await?;
    let mut findings = look::at_everything(&client, &arguments.namespace).await?;
    findings.extend(rights::check(&client, &arguments.namespace).await);
    match arguments.output {
        Output::Json => println!("{}", serde_json::to_string_pretty(&findings)?),
        Output::Yaml => print!("{}", serde_yaml_ng::to_string(&findings)?),
        Output::Table => print(&findings),
    }
    let worst = findings.iter().map(|it| it.level).max();
    Ok(if worst == Some(Level::Fault) {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

fn print(findings: &[Finding]) {
    for finding in findings {
        let word = match finding.level {
            Level::Ok => "ok",
            Level::NotSeen => "not seen",
            Level::Warning => "warning",
            Level::Fault => "FAULT",
        };
        println!("{word:<9} {:<12} {}", finding.check, finding.message);
        if let Some(next) = &finding.next {
            println!("{:<22} → {next}", "");
        }
    }
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    println!(
        "\n{} faults, {} warnings, {} not seen",
        count(Level::Fault),
        count(Level::Warning),
        count(Level::NotSeen)
    );
}
