//! Is the portal well on this cluster, and what is to be done where it is not?
//!
//! Everything is read, nothing is written. What whoever asks may not read is told as not
//! seen, and is no fault.

mod look;
mod rights;

use std::process::ExitCode;

use anyhow::Result;
use devportal_controller::connect;
use serde::Serialize;

use self::look::{DEPLOYMENT, Place};
use self::rights::{Operators, Surroundings};
use crate::output::{Format, plain};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "It uses your rights, which should be an administrator's, or those of the pod that it
runs in. The cluster is the one of KUBECONFIG.

Exit codes: 0 no fault found; 1 no check could run; 2 there are faults; 3 no fault found, but
most checks could not run.

Examples:
  devportal doctor
  devportal doctor --namespace=portal -o json
  kubectl exec -n kuadrant-system deploy/devportal-controller -- /devportal doctor"
)]
pub(crate) struct Arguments {
    /// Where the controller runs.
    #[arg(
        long,
        env = "POD_NAMESPACE",
        hide_env_values = true,
        default_value = "kuadrant-system"
    )]
    namespace: String,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
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
    let (client, ..) = connect().await?;
    let namespace = arguments.namespace.as_str();
    let kuadrant = look::find_kuadrant_namespace(&client).await;
    let rather: Vec<_> = kuadrant.as_deref().into_iter().chain([namespace]).collect();
    let operators = Operators::find(&client, &rather).await;
    let is_installed = look::is_installed(&client, namespace).await;
    let place = place(namespace, is_installed, operators.as_ref());
    let mut findings = look::at_everything(&client, &place).await?;
    let around = Surroundings {
        namespace,
        operators: operators.as_ref(),
        kuadrant: kuadrant.as_deref(),
        has_policies: look::has_policies(&client).await,
    };
    let operators = around.operators;
    findings.extend(operators.and_then(|it| it.own_approvals(around.has_policies)));
    findings.extend(rights::check(&client, &around).await);
    let table = |it: &Vec<Finding>| table(it);
    arguments.output.print(&findings, table)?;
    Ok(ExitCode::from(code(&findings)))
}

/// Where a controller is to act: the operator's only where the chart's is not installed.
fn place<'a>(
    namespace: &'a str,
    is_installed: bool,
    operators: Option<&'a Operators>,
) -> Place<'a> {
    match operators {
        Some(it) if !is_installed => Place {
            namespace: &it.namespace,
            deployment: Operators::DEPLOYMENT,
        },
        _ => Place {
            namespace,
            deployment: DEPLOYMENT,
        },
    }
}

/// As `--help` tells.
fn code(findings: &[Finding]) -> u8 {
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    if count(Level::Fault) > 0 {
        2
    } else if is_unknown(findings) {
        3
    } else {
        0
    }
}

/// Most could not be looked at.
fn is_unknown(findings: &[Finding]) -> bool {
    let unseen = findings.iter().filter(|it| it.level == Level::NotSeen);
    unseen.count() * 2 > findings.len()
}

fn table(findings: &[Finding]) -> String {
    let mut lines = Vec::new();
    for finding in findings {
        let word = match finding.level {
            Level::Ok => "ok",
            Level::NotSeen => "not seen",
            Level::Warning => "warning",
            Level::Fault => "FAULT",
        };
        let (check, message) = (finding.check, plain(&finding.message));
        lines.push(format!("{word:<9} {check:<12} {message}"));
        if let Some(next) = &finding.next {
            lines.push(format!("{:<22} → {}", "", plain(next)));
        }
    }
    let count = |level| findings.iter().filter(|it| it.level == level).count();
    lines.push(format!(
        "\n{} faults, {} warnings, {} not seen",
        count(Level::Fault),
        count(Level::Warning),
        count(Level::NotSeen)
    ));
    if is_unknown(findings) {
        lines.push("Most could not be looked at: whether all is well is not known".to_owned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operators_controller_counts_only_where_the_charts_is_not_installed() {
        let operators = Operators::in_namespace("operators");
        let of = |is_installed, operators| {
            let place = place("own", is_installed, operators);
            (place.namespace, place.deployment)
        };
        let there = Some(&operators);
        assert_eq!(of(true, there), ("own", DEPLOYMENT));
        assert_eq!(of(false, there), ("operators", Operators::DEPLOYMENT));
        assert_eq!(of(false, None), ("own", DEPLOYMENT));
    }

    #[test]
    fn what_could_not_be_looked_at_does_not_read_as_well() {
        let of = |levels: &[Level]| {
            let findings: Vec<_> = levels
                .iter()
                .map(|level| Finding::new("keys", *level, "told"))
                .collect();
            code(&findings)
        };
        assert_eq!(of(&[Level::Ok, Level::Warning]), 0);
        assert_eq!(of(&[Level::Ok, Level::NotSeen]), 0, "it is half");
        assert_eq!(of(&[Level::Ok, Level::NotSeen, Level::NotSeen]), 3);
        assert_eq!(of(&[Level::NotSeen, Level::NotSeen, Level::Fault]), 2);
    }
}
