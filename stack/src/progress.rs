//! How does a person see that something long is still going on?
//!
//! On a terminal one line per step is rewritten; elsewhere a step that takes
//! longer than two seconds prints a line at its start, one every thirty
//! seconds, and one at its end.

use std::{
    fmt::Display,
    future::Future,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::Result;

const QUIET_FOR: Duration = Duration::from_secs(2);
const REMIND_EVERY: Duration = Duration::from_secs(30);

/// Where reports of steps go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// Says nothing, unless a step takes longer than two seconds.
    #[default]
    OnlyLong,
    /// A line for each step, rewritten in place.
    Terminal,
    /// A line for each step, none rewritten, no colour.
    Plain,
}

impl Progress {
    /// As fits standard error.
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb") {
            Self::Terminal
        } else {
            Self::Plain
        }
    }

    /// Runs one step under a name and reports how long it took.
    pub async fn step<T>(self, name: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let begun = Instant::now();
        if self == Self::Terminal {
            rewrite(&format!("  … {name}"));
        }
        let mut reminder = tokio::time::interval_at(
            tokio::time::Instant::now() + QUIET_FOR,
            if self == Self::Terminal {
                Duration::from_secs(1)
            } else {
                REMIND_EVERY
            },
        );
        let mut spoken = false;
        tokio::pin!(work);
        let outcome = loop {
            tokio::select! {
                biased;
                outcome = &mut work => break outcome,
                _ = reminder.tick() => {
                    let elapsed = begun.elapsed();
                    match self {
                        Self::Terminal => rewrite(&format!("  … {name} {}", seconds(elapsed))),
                        _ if spoken => line(&format!("  … {name} ({} so far)", seconds(elapsed))),
                        _ => line(&format!("  … {name}")),
                    }
                    spoken = true;
                }
            }
        };
        let took = seconds(begun.elapsed());
        match (&outcome, self) {
            (Ok(_), Self::Terminal) => {
                rewrite(&format!(
                    "  \u{1b}[32m✓\u{1b}[0m {name} \u{1b}[2m{took}\u{1b}[0m"
                ));
                line("");
            }
            (Err(_), Self::Terminal) => {
                rewrite(&format!(
                    "  \u{1b}[31m✗\u{1b}[0m {name} \u{1b}[2m{took}\u{1b}[0m"
                ));
                line("");
            }
            (Ok(_), Self::OnlyLong) if !spoken => {}
            (Ok(_), _) => line(&format!("  ✓ {name} {took}")),
            (Err(_), _) => line(&format!("  ✗ {name} {took}")),
        }
        outcome
    }

    /// A line between steps.
    pub fn note(self, text: impl Display) {
        if self != Self::OnlyLong {
            line(&text.to_string());
        }
    }

    /// A line that must be seen whatever the mode.
    pub fn warn(self, text: impl Display) {
        if self == Self::Terminal {
            line(&format!("\u{1b}[33mwarning:\u{1b}[0m {text}"));
        } else {
            line(&format!("warning: {text}"));
        }
    }
}

fn rewrite(text: &str) {
    let mut out = std::io::stderr().lock();
    // A vanished terminal is no reason to stop the stack.
    let _ = write!(out, "\r\u{1b}[2K{text}");
    let _ = out.flush();
}

fn line(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Elapsed time as people say it.
pub fn seconds(elapsed: Duration) -> String {
    let whole = elapsed.as_secs();
    if whole < 60 {
        format!("{:.1} s", elapsed.as_secs_f64())
    } else {
        format!("{} min {:02} s", whole / 60, whole % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_time_reads_like_a_sentence() {
        assert_eq!(seconds(Duration::from_millis(2340)), "2.3 s");
        assert_eq!(seconds(Duration::from_secs(147)), "2 min 27 s");
    }
}
