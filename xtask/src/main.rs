//! `cargo xtask`: how does a contributor run and check all of this?

mod bench;
mod chart;
mod check;
mod command;
mod down;
mod env;
mod generate;
mod image;
mod logs;
mod planted;
mod status;
mod story;
mod up;
mod yarn;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use devportal_stack::repository;
use tracing_subscriber::EnvFilter;

/// The local stack and the checks of this repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, after_help = EXAMPLES)]
struct Arguments {
    /// Where the stack keeps logs, kubeconfigs and data (default: .stack of
    /// this checkout). Another folder is another stack, side by side.
    #[arg(
        long,
        global = true,
        env = "DEVPORTAL_STACK_STATE_DIR",
        value_name = "FOLDER"
    )]
    state_dir: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask up                       everything, until Ctrl-C
  cargo xtask up --detach              the same in the background
  cargo xtask up --only control-plane  etcd and the API server, in three seconds
  eval \"$(cargo xtask env)\"            point kubectl at it
  cargo xtask logs authorino -f        follow one log
  cargo xtask down                     stop it, whatever state it is in
  cargo xtask test --fast              what to run before each commit";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the local stack and stay until Ctrl-C.
    Up(up::Arguments),
    /// Stop the local stack and end whatever a crash left behind.
    Down,
    /// Show what runs: process, port, memory, uptime.
    Status(status::Arguments),
    /// Show the log of one process.
    Logs(logs::Arguments),
    /// Print the variables that point a shell at the stack.
    Env,
    /// Run the tests, with the stack's programs fetched first.
    Test(check::TestArguments),
    /// Measure on the real stack; `bench --help` tells what.
    #[command(disable_help_flag = true)]
    Bench {
        /// What to measure, and how.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Write what is generated from the code: the CRDs, and the reference of the HTTP API.
    Gen {
        /// Write nothing; fail when a file is stale.
        #[arg(long)]
        check: bool,
    },
    /// Try the values of the Helm chart: those it takes, and those it refuses.
    Chart,
    /// Make the container image, without a container engine.
    Image(image::Arguments),
    /// Run yarn in the Backstage workspace, with the Node that it wants.
    #[command(disable_help_flag = true)]
    Yarn {
        /// What yarn is to do, for example `tsc` or `workspace app test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Plant bugs, one at a time, and see whether the random tests find them.
    Planted(planted::Arguments),
    /// Run every check that must pass before a merge.
    Ci(check::CiArguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(filter())
        .with_writer(std::io::stderr)
        .init();
    let arguments = Arguments::parse();
    let dir = arguments.state_dir.unwrap_or_else(default_dir);
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    let outcome = match arguments.verb {
        Verb::Up(arguments) => up::run(&dir, &arguments).await,
        Verb::Down => down::run(&dir).await,
        Verb::Status(arguments) => status::run(&dir, &arguments),
        Verb::Logs(arguments) => logs::run(&dir, &arguments).await,
        Verb::Env => env::run(&dir).await,
        Verb::Test(arguments) => check::test(&arguments).await,
        Verb::Bench { arguments } => bench::run(&arguments).await,
        Verb::Gen { check } => generate::run(check).await.map(|()| ExitCode::SUCCESS),
        Verb::Chart => chart::run().await,
        Verb::Image(arguments) => image::run(&dir, &arguments).await,
        Verb::Yarn { arguments } => yarn::run(&arguments).await,
        Verb::Planted(arguments) => planted::run(&arguments).await,
        Verb::Ci(arguments) => check::ci(&arguments).await,
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Clients complain loudly while a server comes up; that is not news.
fn filter() -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error,kube_client=off"))
}

/// Where a stack is kept that nobody names another place for.
fn default_dir() -> PathBuf {
    repository().join(".stack")
}

/// Commands for people to copy: of the stack in this folder, and not of another one.
fn of_stack(dir: &Path, told: &str) -> String {
    if dir == default_dir() {
        return told.to_owned();
    }
    let folder = env::quote(&dir.display().to_string());
    told.replace("cargo xtask", &format!("cargo xtask --state-dir {folder}"))
}
