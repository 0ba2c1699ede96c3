//! How is an answer printed?

use std::io::{ErrorKind, Write, stderr, stdout};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::Serialize;

/// How it is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Yaml,
}

impl Format {
    pub(crate) fn print<T: Serialize>(
        self,
        it: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<()> {
        print(&match self {
            Self::Table => table(it),
            Self::Json => serde_json::to_string_pretty(it)? + "\n",
            Self::Yaml => serde_yaml_ng::to_string(it)?,
        })
    }
}

/// Prints to standard output. A reader who has enough, as in `devportal crds | head`, is no
/// fault.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot print"),
    }
}

/// Says what went wrong. Where even that cannot be written, nobody can be told.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr(), "error: {text}");
}
