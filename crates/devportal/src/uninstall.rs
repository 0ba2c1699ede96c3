//! What is told of an end?

use std::time::Duration;

use anyhow::{Result, ensure};
use devportal_controller::uninstall::{Options, uninstall};

use crate::output::print;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The chart runs this command before `helm uninstall`. APIKeys, requests, decisions and the
consumers' own Secrets stay. A controller that is installed again makes the credentials again,
with the same values where consumers still have them.

Exit codes: 0 done; 1 something is left, and is named.

Examples:
  devportal uninstall --dry-run
  devportal uninstall --yes --kuadrant-namespace=gateways"
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
    /// The namespace of the Kuadrant resource, where the credentials are.
    #[arg(long, default_value = "kuadrant-system")]
    kuadrant_namespace: String,
    /// How many seconds the controller may take to end.
    #[arg(long, default_value_t = 120)]
    timeout: u64,
    /// No controller is running: do not look for one to stop.
    #[arg(long)]
    without_controller: bool,
    /// Only show what would be deleted.
    #[arg(long)]
    dry_run: bool,
    /// Confirm that every key is to be revoked. Required unless --dry-run is given.
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let namespace = &arguments.kuadrant_namespace;
    ensure!(
        arguments.yes || arguments.dry_run,
        "this revokes every key that was issued: look with --dry-run what that is, and run it \
         with --yes"
    );
    let options = Options {
        namespace: arguments.namespace.clone(),
        kuadrant_namespace: namespace.clone(),
        without_controller: arguments.without_controller,
        patience: Duration::from_secs(arguments.timeout),
        dry_run: arguments.dry_run,
    };
    let gone = uninstall(&options).await?;
    let count = gone.secrets.len();
    let mut lines = Vec::new();
    if arguments.dry_run {
        lines.extend(gone.secrets.iter().map(|id| format!("Secret {id}")));
        lines.push(format!("{count} Secrets would be deleted in {namespace}"));
        let held = gone.released.iter();
        lines.extend(held.map(|id| format!("APIKey {id} would be let go by a finalizer of 0.1")));
    } else {
        if gone.stopped {
            lines.push("the controller is stopped".to_owned());
        }
        let held = gone.held.iter();
        lines.extend(held.map(|id| format!("Secret {id} is held by a finalizer")));
        if gone.held.is_empty() {
            lines.push(format!("{count} Secrets are deleted in {namespace}"));
        }
        let released = gone.released.iter();
        lines.extend(released.map(|id| format!("APIKey {id} is let go by a finalizer of 0.1")));
    }
    lines.extend(gone.kept.iter().map(|(id, why)| {
        format!(
            "APIKey {id} cannot be deleted, for a finalizer of 0.1 could not be taken off ({why}): \
             kubectl patch apikey {} -n {} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'",
            id.name, id.namespace
        )
    }));
    if !gone.is_certain {
        lines.push(format!(
            "the Kuadrant resource or the APIKeys were not seen: where Kuadrant is not in \
             {namespace}, name its namespace with --kuadrant-namespace, for the Secrets are there"
        ));
    }
    print(&(lines.join("\n") + "\n"))?;
    if arguments.dry_run {
        return Ok(());
    }
    ensure!(
        gone.held.is_empty(),
        "{} of {count} Secrets are held by finalizers and open APIs until those are removed",
        gone.held.len()
    );
    ensure!(
        gone.kept.is_empty(),
        "{} APIKeys cannot be deleted until their finalizer of 0.1 is taken off",
        gone.kept.len()
    );
    Ok(())
}
