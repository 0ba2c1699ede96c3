//! How does the stack start, and what happens when it ends?
//!
//! In the foreground this process supervises it; with `--detach` a copy of this
//! process does, in a session of its own. When a process dies, the whole stack
//! goes down and says why: half a stack only misleads.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use devportal_stack::{
    ForeignCrds, Options, Part, Phase, Program, Progress, Stack, State, end_leftovers,
    node_permitted, obtain_program, seconds,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{status, story};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Parts: control-plane, controller-manager, kuadrant, gateway, controller, portal, sample,
backstage; and on request only: collector, and node, which needs root.

Examples:
  cargo xtask up --without controller   run your own: cargo run -p devportal -- controller
  cargo xtask up --only control-plane   etcd and the API server
  cargo xtask up --with collector       traces, too: cargo xtask logs collector
  cargo xtask up --with node            pods run too; images: cargo xtask image --load
  DEVPORTAL_STACK_BIN=~/bin cargo xtask up   take ready binaries from a folder")]
pub(crate) struct Arguments {
    /// Return when everything is ready; the stack stays in the background.
    #[arg(long, short)]
    detach: bool,
    /// Start only these parts (and what they need).
    #[arg(
        long,
        value_name = "PART",
        value_delimiter = ',',
        conflicts_with = "without"
    )]
    only: Vec<Part>,
    /// Leave these parts out.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    without: Vec<Part>,
    /// Start these parts too, which are not started otherwise.
    #[arg(
        long,
        value_name = "PART",
        value_delimiter = ',',
        conflicts_with = "only"
    )]
    with: Vec<Part>,
    /// Run as the supervisor that `--detach` starts.
    #[arg(long, hide = true)]
    supervise: bool,
}

impl Arguments {
    fn parts(&self) -> Vec<Part> {
        Part::ALL
            .into_iter()
            .filter(|part| {
                if self.only.is_empty() {
                    let is_wanted = part.is_usual() || self.with.contains(part);
                    is_wanted && !self.without.contains(part)
                } else {
                    self.only.contains(part) || self.needs(*part)
                }
            })
            .collect()
    }

    /// Whether what is named by `--only` needs a part: pods are made by controllers, and
    /// the gateway asks Authorino.
    fn needs(&self, part: Part) -> bool {
        match part {
            Part::ControlPlane => true,
            Part::ControllerManager => self.only.contains(&Part::Node),
            Part::Kuadrant => self.only.contains(&Part::Gateway),
            _ => false,
        }
    }
}

pub(crate) async fn run(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    if State::find(dir)?.is_some_and(|state| state.is_supervised()) {
        println!("The stack already runs:\n");
        status::print_table(dir)?;
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.parts().contains(&Part::Node) {
        node_permitted()?;
    }
    if arguments.detach {
        return detach(dir, arguments).await;
    }
    if arguments.supervise {
        nix::unistd::setsid().context("cannot leave the terminal")?;
    }
    supervise(dir, arguments).await
}

async fn supervise(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    let begun = Instant::now();
    let progress = Progress::detect();
    let mut options = Options::everything(dir);
    options.parts = arguments.parts();
    let is_bare = |part: &Part| *part <= Part::ControllerManager;
    if options.parts.iter().all(is_bare) {
        options.foreign_crds = ForeignCrds::None;
    }
    options.progress = progress;
    let mut asked = Asked::listen()?;
    let started = tokio::select! {
        started = start(options) => Some(started),
        () = asked.wait() => None,
    };
    let stack = match started {
        Some(Ok(stack)) => stack,
        Some(Err(error)) => {
            end_leftovers(dir)?;
            return Err(error);
        }
        None => {
            progress.note("\nStopped while starting.");
            end_leftovers(dir)?;
            return Ok(ExitCode::from(130));
        }
    };
    progress.note(format!("\nReady after {}.", seconds(begun.elapsed())));
    if !arguments.supervise {
        println!("{}", story::tell(dir, &arguments.parts())?);
        progress.note("Ctrl-C stops everything.");
    }
    let death = tokio::select! {
        death = stack.next_death() => Some(death),
        () = asked.wait() => None,
    };
    let stop = async {
        match &death {
            Some(death) => stack.stop_because(death.to_string()).await,
            None => stack.stop().await,
        }
    };
    if let Some(death) = &death {
        eprintln!("error: {death}");
    }
    progress.note("");
    tokio::select! {
        stopped = progress.step("stop everything", stop) => stopped?,
        // A second Ctrl-C: dropping the stack kills it.
        () = asked.wait() => {}
    }
    end_leftovers(dir)?;
    Ok(if death.is_some() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

async fn start(options: Options) -> Result<Stack> {
    // Not part of the stack, but of every command that people copy.
    obtain_program(Program::Kubectl, options.progress).await?;
    Stack::start(options).await
}

/// The signals that ask us to stop.
struct Asked {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Asked {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

async fn detach(dir: &Path, arguments: &Arguments) -> Result<ExitCode> {
    std::fs::create_dir_all(dir)?;
    let log = dir.join("supervisor.log");
    let out = File::create(&log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("up")
        .arg("--supervise")
        .arg("--state-dir")
        .arg(dir);
    for (flag, parts) in [
        ("--only", &arguments.only),
        ("--without", &arguments.without),
        ("--with", &arguments.with),
    ] {
        for part in parts {
            command.args([flag, part.name()]);
        }
    }
    let mut supervisor = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out)
        .spawn()
        .context("cannot start the supervisor")?;
    let mut asked = Asked::listen()?;
    let mut said = File::open(&log)?;
    loop {
        let ended = supervisor.try_wait()?;
        let mut text = String::new();
        let at = said.stream_position()?;
        if said.read_to_string(&mut text).is_err() {
            // Half a character: read it again when it is whole.
            said.seek(std::io::SeekFrom::Start(at))?;
        }
        eprint!("{text}");
        std::io::stderr().flush()?;
        if let Some(status) = ended {
            bail!(
                "the stack did not come up ({status}); see {}",
                log.display()
            );
        }
        let running = State::find(dir)?.is_some_and(|state| {
            state.supervisor.pid == supervisor.id() && state.phase == Phase::Running
        });
        if running {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(50)) => {}
            () = asked.wait() => {
                crate::down::run(dir).await?;
                return Ok(ExitCode::from(130));
            }
        }
    }
    println!("{}", hint(dir, &arguments.parts())?);
    Ok(ExitCode::SUCCESS)
}

/// What is told of a stack that goes on in the background.
fn hint(dir: &Path, parts: &[Part]) -> Result<String> {
    let more = "It runs in the background: cargo xtask status | logs NAME | down";
    let more = crate::of_stack(dir, more);
    Ok(format!("{}\n{more}", story::tell(dir, parts)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        up: Arguments,
    }

    fn parts(line: &[&str]) -> Vec<Part> {
        Command::parse_from([&["up"], line].concat()).up.parts()
    }

    #[test]
    fn without_words_everything_starts_that_needs_no_root() {
        let usual = Part::ALL.into_iter().filter(|part| part.is_usual());
        assert_eq!(parts(&[]), usual.collect::<Vec<_>>());
        assert!(!parts(&[]).contains(&Part::Node));
    }

    #[test]
    fn a_node_is_taken_along_on_request_with_what_it_needs() {
        assert_eq!(parts(&["--with", "collector,node"]), Part::ALL);
        assert_eq!(
            parts(&["--only", "node"]),
            [Part::ControlPlane, Part::ControllerManager, Part::Node]
        );
    }

    #[test]
    fn only_brings_what_is_named_and_what_that_needs() {
        assert_eq!(
            parts(&["--only", "kuadrant"]),
            [Part::ControlPlane, Part::Kuadrant]
        );
        assert_eq!(
            parts(&["--only", "gateway"]),
            [Part::ControlPlane, Part::Kuadrant, Part::Gateway]
        );
    }

    #[test]
    fn every_command_in_the_hint_names_its_stack() {
        let dir = tempfile::tempdir().unwrap();
        let ports = ["gateway", "backstage"].map(|name| (name, 8080_u16));
        let ports: std::collections::BTreeMap<_, _> = ports.into();
        let state = serde_json::json!({"phase": "running", "processes": [],
            "supervisor": {"pid": 1, "start_time": 1}, "ports": {"chosen": ports}});
        std::fs::write(dir.path().join("state.json"), state.to_string()).unwrap();
        let usual = [Part::Controller, Part::Sample];
        for parts in [&Part::ALL[..], &usual, &[]] {
            let told = hint(dir.path(), parts).unwrap();
            let commands = told.split("cargo xtask").skip(1);
            let here = format!(" --state-dir '{}' ", dir.path().display());
            assert!(commands.clone().count() > 1, "{told}");
            for command in commands {
                assert!(command.starts_with(&here), "{told}");
            }
            let told = hint(&crate::default_dir(), parts).unwrap();
            assert!(!told.contains("--state-dir"), "{told}");
        }
    }

    #[test]
    fn a_part_can_be_left_out() {
        assert!(!parts(&["--without", "controller"]).contains(&Part::Controller));
    }
}
