//! What is measured, and what do many durations come to?

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Change {
    Issue,
    NewValue,
    Rotation,
    Plan,
    Revoke,
    RevokeInBurst,
}

impl Change {
    pub(crate) const ALL: [Self; 6] = [
        Self::Issue,
        Self::NewValue,
        Self::Rotation,
        Self::Plan,
        Self::Revoke,
        Self::RevokeInBurst,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Issue => "issue → 200",
            Self::NewValue => "new value → 200",
            Self::Rotation => "rotation → 200",
            Self::Plan => "other plan → 429",
            Self::Revoke => "delete → 401",
            Self::RevokeInBurst => "delete → 401, in a burst of 1000 issues",
        }
    }
}

/// One line of the result.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) change: Change,
    pub(crate) keys: usize,
    #[serde(flatten)]
    pub(crate) summary: Summary,
}

/// Of a series of durations, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// By nearest rank; `None` of nothing.
    pub(crate) fn of(samples: &[Duration]) -> Option<Self> {
        let mut sorted: Vec<f64> = samples.iter().map(|it| it.as_secs_f64() * 1000.0).collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |hundredths: usize| {
            let at = (sorted.len() * hundredths).div_ceil(100).max(1) - 1;
            sorted.get(at).copied()
        };
        Some(Self {
            count: sorted.len(),
            p50: rank(50)?,
            p99: rank(99)?,
            max: rank(100)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_sample_that_was_seen() {
        let samples: Vec<_> = (1..=100).rev().map(Duration::from_millis).collect();
        let summary = Summary::of(&samples).unwrap();
        assert_eq!((summary.p50, summary.p99, summary.max), (50.0, 99.0, 100.0));
    }

    #[test]
    fn few_samples_have_the_largest_as_their_99th_percentile() {
        let samples = [1, 2, 3].map(Duration::from_millis);
        let summary = Summary::of(&samples).unwrap();
        assert_eq!((summary.p50, summary.p99, summary.max), (2.0, 3.0, 3.0));
        assert_eq!(Summary::of(&[]), None);
    }
}
