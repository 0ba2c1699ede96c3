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

/// A text of somebody else's as a terminal may have it: what that would act upon, does not show or
/// would turn around is escaped. Objects may be older than the policies that refuse such texts.
pub(crate) fn plain(text: &str) -> String {
    let is_unfit = |it: char| {
        it.is_control()
            || matches!(it,
                '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{180E}' | '\u{200B}' | '\u{200E}' | '\u{200F}'
                | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}'
                | '\u{E0000}'..='\u{E007F}')
    };
    let mut plain = String::with_capacity(text.len());
    for it in text.chars() {
        if is_unfit(it) {
            plain.extend(it.escape_unicode());
        } else {
            plain.push(it);
        }
    }
    plain
}

/// Says what went wrong. Where even that cannot be written, nobody can be told.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(stderr(), "error: {text}");
}

/// Says what whoever asks may not expect.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(stderr(), "warning: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_act_upon_is_escaped() {
        assert_eq!(
            plain("toys \u{1b}[2J\n0 faults"),
            "toys \\u{1b}[2J\\u{a}0 faults"
        );
        assert_eq!(plain("\u{202e}syot"), "\\u{202e}syot");
        assert_eq!(plain("Spielzeug 玩具 🧸"), "Spielzeug 玩具 🧸");
    }
}
