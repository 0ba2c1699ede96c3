//! How did each story end, and how long did it take? Told at the end, where a reader of a
//! long output looks first.

use std::fmt::{self, Display, Formatter};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How many of the slowest stories are named.
const SLOWEST: usize = 12;

#[derive(Debug)]
struct Outcome {
    story: String,
    took: Duration,
    failure: Option<String>,
}

/// The outcomes so far of all stories.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes(Arc<Mutex<Vec<Outcome>>>);

impl Outcomes {
    pub(crate) fn add(&self, story: &str, took: Duration, failure: Option<String>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Outcome {
            story: story.to_owned(),
            took,
            failure,
        });
    }
}

impl Display for Outcomes {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.sort_by_key(|it| std::cmp::Reverse(it.took));
        writeln!(f, "the slowest of {} stories:", all.len())?;
        for it in all.iter().take(SLOWEST) {
            writeln!(f, "{:>6} s  {}", it.took.as_secs(), it.story)?;
        }
        for it in all.iter() {
            if let Some(why) = &it.failure {
                writeln!(f, "\n{} failed: {why}", it.story)?;
            }
        }
        Ok(())
    }
}
