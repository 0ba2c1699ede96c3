//! Which checks are there, and which belong together?

use std::process::ExitCode;

use anyhow::Result;
use devportal_stack::{
    Part, Program, Progress, Workspace, cache_root, foreign_crds, node_permitted, obtain,
    obtain_program, operator_chart,
};

use crate::command::{Expect, Step};

const CARGO_DENY: &str = "0.18.9";

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask test --fast    unit tests only, no stack
  cargo xtask test           journeys too, on the real control plane")]
pub(crate) struct TestArguments {
    /// Leave out the journeys, which need the stack's programs, and the plugins.
    #[arg(long)]
    fast: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask ci --fast    format, lints, purity and unit tests
  cargo xtask ci           also generated files, licences, journeys and planted bugs")]
pub(crate) struct CiArguments {
    /// Leave out what needs the network or the stack.
    #[arg(long)]
    fast: bool,
}

pub(crate) async fn test(arguments: &TestArguments) -> Result<ExitCode> {
    let progress = Progress::detect();
    if !arguments.fast {
        fetch(progress).await?;
    }
    all(&tests(arguments.fast), progress).await
}

pub(crate) async fn ci(arguments: &CiArguments) -> Result<ExitCode> {
    let progress = Progress::detect();
    let mut steps = vec![
        Step::new("format", &["cargo", "fmt", "--all", "--check"]),
        Step::new(
            "lints",
            &[
                "cargo",
                "clippy",
                "--workspace",
                "--all-targets",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Step::new(
            "the core, and the mirror it is built on, know no runtime",
            &[
                "cargo",
                "tree",
                "--package",
                "devportal-core",
                "--edges",
                "normal",
                "--invert",
                "tokio",
            ],
        )
        .expecting(Expect::NotFound),
        Step::new(
            "planted bugs fit the code",
            &["cargo", "xtask", "planted", "--check"],
        ),
    ];
    if !arguments.fast {
        steps.push(Step::new(
            "generated files are fresh",
            &["cargo", "xtask", "gen", "--check"],
        ));
        steps.extend(deny()?);
        steps.push(Step::new(
            "the bill of materials of a release",
            &[".ci/bom", "target/bom"],
        ));
        steps.extend(plugins());
        steps.push(Step::new(
            "values of the chart",
            &["cargo", "xtask", "chart"],
        ));
        steps.push(Step::new(
            "the image runs",
            &[
                "cargo",
                "xtask",
                "image",
                "--profile=dev",
                "--run",
                "--output=target/image-dev",
            ],
        ));
        steps.push(Step::new(
            "alerts and dashboards",
            &["deploy/monitoring-tests/check"],
        ));
        let actionlint = obtain_program(Program::Actionlint, progress).await?;
        steps.push(Step::new(
            "the workflow of releases",
            &[
                &actionlint.display().to_string(),
                // Not one thing here and another there.
                "-shellcheck=",
                "-pyflakes=",
                ".github/workflows/release.yaml",
            ],
        ));
        fetch(progress).await?;
    }
    steps.extend(tests(arguments.fast));
    if !arguments.fast {
        // Each of these bugs is found within some tens of histories.
        steps.push(Step::new(
            "random tests find planted bugs",
            &["cargo", "xtask", "planted", "--quick", "--cases", "400"],
        ));
    }
    all(&steps, progress).await
}

fn tests(fast: bool) -> Vec<Step> {
    let line = ["cargo", "test", "--workspace", "--quiet"];
    if fast {
        let without = [&line[..], &["--exclude", "devportal-journeys"]].concat();
        return vec![Step::new("unit tests", &without)];
    }
    let stack = [
        "cargo",
        "test",
        "--quiet",
        "--package",
        "devportal-stack",
        "--",
        "--ignored",
    ];
    vec![
        Step::new(
            "tests of the plugins",
            &["cargo", "xtask", "yarn", "test", "--watchAll=false"],
        ),
        Step::new("tests and journeys", &line),
        Step::new("tests of the stack itself", &stack),
    ]
}

/// What is checked of the Backstage workspace besides its tests.
fn plugins() -> Vec<Step> {
    let yarn = |name, script| Step::new(name, &["cargo", "xtask", "yarn", script]);
    vec![
        yarn("types of the plugins", "tsc"),
        yarn("lints of the plugins", "lint"),
        yarn("format of the plugins", "format"),
        yarn("the plugins' client is fresh", "client:check"),
    ]
}

/// Licences, bans, sources; advisories only where their database can be
/// fetched. The tool is installed into the cache when it is not there.
fn deny() -> Result<Vec<Step>> {
    let root = cache_root()?.join(format!("tools/cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny").display().to_string();
    let mut steps = Vec::new();
    if !root.join("bin/cargo-deny").is_file() {
        let root = root.display().to_string();
        steps.push(Step::new(
            "install cargo-deny (minutes, once)",
            &[
                "cargo",
                "install",
                // It runs for seconds, and is built in half the time.
                "--debug",
                "--quiet",
                "--locked",
                "--root",
                &root,
                "cargo-deny",
                "--version",
                CARGO_DENY,
            ],
        ));
    }
    // The graph has crates of other platforms too, which no build here fetched.
    steps.push(Step::new(
        "fetch the crates of every platform",
        &["cargo", "fetch", "--locked", "--quiet"],
    ));
    steps.push(Step::new(
        "licences, bans and sources",
        &[
            &program,
            "--offline",
            "check",
            "licenses",
            "bans",
            "sources",
        ],
    ));
    steps.push(
        Step::new("advisories", &[&program, "check", "advisories"]).expecting(Expect::Reachable),
    );
    Ok(steps)
}

/// Everything the journeys run, so that a first test does not wait for a build.
async fn fetch(progress: Progress) -> Result<()> {
    let mut programs = Program::ALL.to_vec();
    if node_permitted().is_err() {
        programs.retain(|program| !Part::Node.programs().contains(program));
    }
    obtain(&programs, progress).await?;
    foreign_crds(progress).await?;
    operator_chart(progress).await?;
    Workspace::obtain(progress).await?;
    Ok(())
}

/// Runs all of them, also after one has failed, and sums up.
async fn all(steps: &[Step], progress: Progress) -> Result<ExitCode> {
    let mut failed = Vec::new();
    for step in steps {
        if let Err(error) = step.run(progress).await {
            eprintln!("{error:#}\n");
            failed.push(step.name);
        }
    }
    if failed.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("Failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}
