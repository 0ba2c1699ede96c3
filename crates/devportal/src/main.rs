//! The one binary of the developer portal.

// They panic where nothing can be written: `output` does not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod doctor;
mod explain;
mod log;
mod output;
mod uninstall;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use devportal_api::id::KeyId;
use devportal_metrics::serve::Address;
use devportal_server::Pattern;

use crate::log::{LogFormat, telling};
use crate::output::{Format, complain, print, warn};

/// The C library's takes a sixth more time here, and musl's far more.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Self-service API access for Kubernetes.
#[derive(Debug, Parser)]
#[command(
    version = concat!(env!("CARGO_PKG_VERSION"), " (", env!("DEVPORTAL_COMMIT"), ")"),
    after_help = "Examples:
  devportal crds | kubectl apply --server-side -f -
  devportal controller
  devportal controller --leader-elect --health-probe-bind-address=:8081
  devportal server --address=:8080
  devportal explain consumer/reseller"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn APIProducts, APIKeys and approvals into credentials.
    Controller(ControllerArguments),
    /// Serve the portal's HTTP API, on which user interfaces are built.
    Server(ServerArguments),
    /// Explain the state of a key, and why something is not written.
    Explain(ExplainArguments),
    /// Check the portal's installation on a cluster, and say what to do about faults.
    Doctor(doctor::Arguments),
    /// Revoke every key: stop the controller, and delete the Secrets that open APIs.
    Uninstall(uninstall::Arguments),
    /// Print the definitions of the four kinds, for `kubectl apply`.
    Crds,
    /// Print the OpenAPI document of the portal's server.
    Openapi,
    /// Print an example of what a process serves at /metrics.
    Metrics {
        /// Which process.
        process: Process,
    },
}

#[derive(Debug, Args)]
#[command(
    after_help = "The cluster is the one of KUBECONFIG or of the pod's ServiceAccount.

Environment:
  RUST_LOG                what to log, for example info or devportal_controller=debug
  OPENAPI_SPEC_MAX_SIZE   largest OpenAPI document in bytes (512000)
  DEVPORTAL_FETCH_ALLOW   private addresses that documents may be fetched from, for
                          example 10.1.0.0/16,docs.svc; no proxy is used
  DEVPORTAL_FETCH_REFRESH seconds until a document is fetched again (900)
  POD_NAMESPACE           the namespace of the lease
  HOSTNAME                the replica's name in the lease
  OTEL_EXPORTER_OTLP_ENDPOINT
                          where traces are sent, for example http://collector:4318;
                          the other OTEL_ variables apply, too

Examples:
  devportal controller
  devportal controller --leader-elect --health-probe-bind-address=:8081"
)]
struct ControllerArguments {
    /// Share the work between replicas: only the holder of the lease writes.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true)]
    #[arg(default_value_t = false, default_missing_value = "true")]
    leader_elect: bool,
    /// Address of /healthz, /readyz and /metrics; `:PORT` means every interface, IPv4 and IPv6.
    #[arg(long, default_value = "127.0.0.1:8081")]
    health_probe_bind_address: Address,
    #[command(flatten)]
    decisions: DecisionArguments,
    /// Format of log lines.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How the controller decides, and `explain` with it.
#[derive(Clone, Copy, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct DecisionArguments {
    /// Treat a patched `status.phase` of a key as a decision, as clients of version 0.1
    /// expect. Whoever may patch the status of keys can then approve them, under any
    /// reviewer's name.
    #[arg(long)]
    phase_decides: bool,
    /// Ignore approvals by the requester, except from people with the right `decide-own`. Only
    /// effective with the admission policies: without them a reviewer can write any name.
    #[arg(long)]
    refuse_own_approvals: bool,
    /// Refuse values that consumers bring and others can guess: those with fewer than 16
    /// characters, or that look like a placeholder. Without this flag such keys work and
    /// report it.
    #[arg(long)]
    refuse_weak_values: bool,
    /// Do not approve automatically for draft products.
    #[arg(long)]
    refuse_drafts: bool,
}

impl From<DecisionArguments> for devportal_controller::Settings {
    fn from(arguments: DecisionArguments) -> Self {
        Self {
            phase_decides: arguments.phase_decides,
            refuses_own: arguments.refuse_own_approvals,
            refuses_weak: arguments.refuse_weak_values,
            refuses_drafts: arguments.refuse_drafts,
        }
    }
}

#[derive(Debug, Args)]
#[command(
    after_help = "People send a token that the cluster accepts; a front end sends its own, with
Impersonate-User, Impersonate-Group and Impersonate-Extra-devportal.kuadrant.io%2Femail.
The cluster's RBAC decides what they see and may do. /openapi.json describes the API.
The server speaks plain HTTP: terminate TLS in front of it.
The cluster is the one of KUBECONFIG or of the pod's ServiceAccount.

Environment:
  RUST_LOG   what to log, for example info or devportal_server=debug
  HOSTNAME   the replica's name in Events
  OTEL_EXPORTER_OTLP_ENDPOINT
             where traces are sent, for example http://collector:4318;
             the other OTEL_ variables apply, too

Examples:
  devportal server
  devportal server --address=:8080 --metrics-address=:8082 --routes=annotated
  devportal server --product-name-pattern='[a-z]+-api' --product-tag-pattern='[a-z]+'
  curl localhost:8080/v1/me -H \"Authorization: Bearer $TOKEN\""
)]
struct ServerArguments {
    /// Address of the HTTP API; `:PORT` means every interface, IPv4 and IPv6.
    #[arg(long, default_value = "127.0.0.1:8080")]
    address: Address,
    /// Address of /metrics, for Prometheus, and of /healthz and /readyz, which people at
    /// --address cannot keep from answering here; without it metrics are not served.
    #[arg(long)]
    metrics_address: Option<Address>,
    /// Which routes owners can choose to publish: all that they may see, or only those
    /// annotated `devportal.kuadrant.io/expose: "true"` or, as in Kuadrant's plugin,
    /// `backstage.io/expose: "true"`.
    #[arg(long, value_enum, default_value_t = Routes::All)]
    routes: Routes,
    /// Pattern for whole names of products; others are reported as gaps.
    #[arg(long, value_name = "REGEX")]
    product_name_pattern: Option<Pattern>,
    /// Pattern for whole tags of products; others are reported as gaps.
    #[arg(long, value_name = "REGEX")]
    product_tag_pattern: Option<Pattern>,
    /// Format of log lines.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Process {
    Controller,
    Server,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Routes {
    All,
    Annotated,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It uses your own rights, and names what you may not list.
Give it the flags that the controller runs with. The cluster is the one of KUBECONFIG.

Exit codes: 0 the key is explained; 1 there is no such key, or you cannot see it, or nothing
could be looked at.

Examples:
  devportal explain consumer/reseller
  devportal explain consumer/reseller --refuse-own-approvals -o yaml"
)]
struct ExplainArguments {
    /// The APIKey, as NAMESPACE/NAME.
    #[arg(value_name = "NAMESPACE/NAME", value_parser = key_id)]
    key: KeyId,
    #[command(flatten)]
    decisions: DecisionArguments,
    /// Output format.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

fn key_id(text: &str) -> Result<KeyId, String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok(KeyId::new(namespace, name))
        }
        _ => Err("expected NAMESPACE/NAME, for example consumer/reseller".to_owned()),
    }
}

/// How it ends where its arguments are wrong, as sysexits.h has it: 2 is an answer of `doctor`.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    keep_pages_small();
    let arguments = match arguments(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nobody reads it then.
            let _ = error.print();
            let is_asked_for = error.exit_code() == 0;
            return ExitCode::from(if is_asked_for { 0 } else { USAGE });
        }
    };
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            complain(&explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// Has the kernel give no huge pages: what is freed of one goes back only with all of it, and
/// a process that holds many small things would take a third more memory.
fn keep_pages_small() {
    // With huge pages it works as well.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
}

/// An error with its causes, without those that the one before already quotes.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What is asked for. As `/manager` it is started in the place of the published controller, with
/// the arguments of that.
fn arguments(mut words: Vec<OsString>) -> Result<Arguments, clap::Error> {
    let is_manager = words
        .first()
        .is_some_and(|name| Path::new(name).ends_with("manager"));
    if !is_manager {
        return Arguments::try_parse_from(words);
    }
    for word in &mut words {
        *word = with_two_dashes(word);
    }
    words.insert(1, "controller".into());
    let hidden = PUBLISHED.map(|name| Arg::new(name).long(name).num_args(0..=1).hide(true));
    let command = Arguments::command()
        .mut_subcommand("controller", |it| it.args(hidden).args_override_self(true));
    let found = command.try_get_matches_from(words)?;
    let ignored = ignored(&found);
    if !ignored.is_empty() {
        let all = ignored.join(", ");
        warn(&format!(
            "these arguments of the published controller do nothing here: {all}. Metrics are at \
             --health-probe-bind-address, over HTTP"
        ));
    }
    Arguments::from_arg_matches(&found)
}

/// The arguments of the published controller that mean nothing here.
const PUBLISHED: [&str; 14] = [
    "enable-http2",
    "metrics-bind-address",
    "metrics-cert-key",
    "metrics-cert-name",
    "metrics-cert-path",
    "metrics-secure",
    "webhook-cert-key",
    "webhook-cert-name",
    "webhook-cert-path",
    "zap-devel",
    "zap-encoder",
    "zap-log-level",
    "zap-stacktrace-level",
    "zap-time-encoding",
];

/// Those of the published controller's arguments that were given.
fn ignored(found: &ArgMatches) -> Vec<String> {
    let found = found.subcommand_matches("controller");
    let is_given = |name: &&str| found.is_some_and(|it| it.contains_id(name));
    let given = PUBLISHED.into_iter().filter(is_given);
    given.map(|name| format!("--{name}")).collect()
}

/// A flag as Go's programs take it, too: with one dash.
fn with_two_dashes(word: &OsStr) -> OsString {
    match word.to_str().and_then(|it| it.strip_prefix('-')) {
        Some(name) if name.len() > 1 && !name.starts_with('-') => format!("--{name}").into(),
        _ => word.to_owned(),
    }
}

/// The server answers many at once. The controller decides on this thread and does all else
/// on one other, so that probes and the lease never wait for a long round of decisions; more
/// threads would hand work over between cores and gain nothing, for it waits for the API
/// server most of the time.
fn run(arguments: Arguments) -> Result<ExitCode> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if !matches!(arguments.command, Command::Server(_)) {
        runtime.worker_threads(1);
    }
    runtime.enable_all().build()?.block_on(execute(arguments))
}

async fn execute(arguments: Arguments) -> Result<ExitCode> {
    let done = match arguments.command {
        Command::Doctor(arguments) => return doctor::run(&arguments).await,
        Command::Crds => print_definitions(),
        Command::Openapi => {
            let document = devportal_server::openapi();
            print(&(serde_json::to_string_pretty(&document)? + "\n"))
        }
        Command::Metrics { process } => {
            let text = match process {
                Process::Controller => devportal_controller::metrics_example(registry()),
                Process::Server => devportal_server::metrics_example(registry()),
            };
            print(&text?)
        }
        Command::Explain(arguments) => {
            let settings = arguments.decisions.into();
            explain::run(&arguments.key, settings, arguments.output).await
        }
        Command::Uninstall(arguments) => uninstall::run(&arguments).await,
        Command::Server(arguments) => {
            let options = devportal_server::Options {
                address: arguments.address,
                metrics: arguments.metrics_address,
                registry: registry(),
                routes: match arguments.routes {
                    Routes::All => devportal_server::Routes::All,
                    Routes::Annotated => devportal_server::Routes::Annotated,
                },
                conventions: devportal_server::Conventions {
                    name: arguments.product_name_pattern,
                    tag: arguments.product_tag_pattern,
                },
            };
            let work = devportal_server::run(options, stop_signal()?);
            telling("devportal-server", arguments.log_format, Box::pin(work)).await
        }
        Command::Controller(arguments) => {
            let options = devportal_controller::Options {
                health: arguments.health_probe_bind_address,
                registry: registry(),
                leader_elect: arguments.leader_elect,
                settings: arguments.decisions.into(),
            };
            let work = devportal_controller::run(options, stop_signal()?);
            telling("devportal-controller", arguments.log_format, Box::pin(work)).await
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn registry() -> devportal_metrics::Registry {
    devportal_metrics::registry(env!("CARGO_PKG_VERSION"), env!("DEVPORTAL_COMMIT"))
}

fn print_definitions() -> Result<()> {
    let all = devportal_api::crd::definitions();
    let texts = all
        .iter()
        .map(|it| Ok(format!("---\n{}", serde_yaml_ng::to_string(it)?)));
    print(&texts.collect::<Result<String>>()?)
}

/// Done at the first SIGINT or SIGTERM.
#[cfg(unix)]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn stop_signal() -> Result<impl Future<Output = ()>> {
    Ok(async {
        // Without a console there is nobody to press it.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    /// What `devportal NAME --help` prints.
    fn help(name: &str) -> String {
        let mut all = Arguments::command();
        let command = all.find_subcommand_mut(name).unwrap();
        command.render_long_help().to_string()
    }

    /// The texts in quotation marks in the sources of a folder that name variables: those of
    /// files in which the environment is read.
    fn variables(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                variables(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            if !text.contains("env::var") {
                continue;
            }
            let is_name = |it: &&str| {
                it.len() > 3
                    && it.starts_with(|it: char| it.is_ascii_uppercase())
                    && it.chars().all(|it| it.is_ascii_uppercase() || it == '_')
            };
            // Neither what the build sets nor what stands for a value.
            let text = text.replace("env!(\"", "").replace("value_name = \"", "");
            found.extend(text.split('"').filter(is_name).map(str::to_owned));
        }
    }

    #[test]
    fn help_names_every_variable_that_is_read() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (process, least) in [("controller", 6), ("server", 1)] {
            let mut read = BTreeSet::new();
            for part in [process, "devportal", "metrics", "watch"] {
                variables(&crates.join(part).join("src"), &mut read);
            }
            assert!(read.len() >= least, "{read:?}");
            // By kube's client.
            read.insert("KUBECONFIG".into());
            let help = help(process);
            let names = |it: &&String| help.contains(it.as_str());
            let unnamed: Vec<_> = read.iter().filter(|it| !names(it)).collect();
            assert!(unnamed.is_empty(), "{process}: {unnamed:?} in\n{help}");
        }
    }

    #[test]
    fn as_manager_it_takes_what_the_published_controller_takes() {
        let read = |words: &str| {
            let words = words.split(' ').map(OsString::from).collect();
            match arguments(words).map(|it| it.command) {
                Ok(Command::Controller(it)) => Ok(it.leader_elect),
                Ok(other) => panic!("{other:?}"),
                Err(error) => Err(error.to_string()),
            }
        };
        for (words, expected) in [
            (
                "/manager --leader-elect --health-probe-bind-address=:8081",
                true,
            ),
            (
                "/manager --leader-elect=true --metrics-bind-address=:8443",
                true,
            ),
            (
                "/manager --leader-elect=false --metrics-bind-address 0",
                false,
            ),
            ("/manager --leader-elect=false --leader-elect", true),
            (
                "/manager -leader-elect -metrics-secure -zap-log-level=debug",
                true,
            ),
            ("/devportal controller --leader-elect=true", true),
            ("/devportal controller", false),
        ] {
            assert_eq!(read(words).as_ref(), Ok(&expected), "{words}");
        }
        for words in [
            "/manager --no-such-flag",
            // It would act on another cluster than is meant.
            "/manager --kubeconfig=/a",
            "/devportal controller --metrics-secure",
            "/devportal controller -leader-elect",
        ] {
            assert!(read(words).is_err(), "{words}");
        }
    }

    #[test]
    fn help_names_every_flag_with_what_it_is_for() {
        for process in ["controller", "server"] {
            let mut all = Arguments::command();
            let command = all.find_subcommand_mut(process).unwrap();
            for flag in command.get_arguments() {
                assert!(flag.get_help().is_some(), "{process}: {flag:?}");
            }
        }
    }

    #[test]
    fn version_tells_a_commit() {
        let version = Arguments::command().render_version();
        let commit = version.trim().rsplit_once(" (").unwrap().1;
        let commit = commit.strip_suffix(')').unwrap();
        assert_eq!(commit, env!("DEVPORTAL_COMMIT"));
        assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
        let is_digit = |it: char| it.is_ascii_hexdigit();
        let hash = commit.trim_end_matches("-dirty");
        assert!(
            hash.len() >= 7 && hash.chars().all(is_digit) || commit == "unknown commit",
            "{version}"
        );
    }
}
