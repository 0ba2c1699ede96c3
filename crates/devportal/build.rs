//! Which commit is built? `DEVPORTAL_COMMIT`, else what git says, else unknown.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=DEVPORTAL_COMMIT");
    let commit = std::env::var("DEVPORTAL_COMMIT").ok().or_else(ask_git);
    let commit = commit.unwrap_or_else(|| "unknown commit".to_owned());
    println!("cargo::rustc-env=DEVPORTAL_COMMIT={commit}");
}

fn ask_git() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    // Moves with every commit and every other branch.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={log}");
    git(&["rev-parse", "--short=12", "HEAD"])
}
