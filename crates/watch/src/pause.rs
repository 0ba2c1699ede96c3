//! How long is waited after a failure? A little at first, never more than some
//! seconds: what ended meanwhile is to be seen soon after the failure is over.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(4);
/// Where the kind is not installed, or the right to it is missing: that changes seldom, and
/// there may be thousands of namespaces of which it is so.
const REFUSED: Duration = Duration::from_secs(10);

/// The failures in a row.
#[derive(Debug, Default)]
pub struct Pause {
    failures: u32,
}

impl Pause {
    /// It worked: the next failure is the first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// After one more failure; `is_refused`: the API server says that there is no such kind,
    /// or no right to it. `jitter`, from 0 to 1, keeps those apart who failed together.
    pub fn next(&mut self, is_refused: bool, jitter: f64) -> Duration {
        let jitter = 0.5 + jitter.clamp(0.0, 1.0) / 2.0;
        if is_refused {
            return REFUSED.mul_f64(jitter);
        }
        let pause = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        pause.min(LONGEST).mul_f64(jitter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_some_seconds_and_begin_anew_after_a_success() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..7).map(|_| pause.next(false, 1.0)).collect();
        assert_eq!(pauses[0], FIRST);
        assert!(pauses.is_sorted());
        assert_eq!(pauses[6], LONGEST);
        pause.reset();
        assert_eq!(pause.next(false, 0.0), FIRST / 2);
    }
}
