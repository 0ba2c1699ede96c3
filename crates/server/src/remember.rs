//! How often is the API server asked the same? Once in some seconds, however many ask.
//! While it cannot be reached, what it said last stands for a while.

use std::hash::Hash;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::problem::Problem;

/// For how long an answer is taken for true.
const FRESH: Duration = Duration::from_secs(5);
/// For how long an answer stands in while nobody answers.
const OUTAGE: Duration = Duration::from_mins(10);
/// How many questions are remembered.
const MOST: u64 = 100_000;

/// After which time nobody who did not answer is asked again.
const RETRY: Duration = Duration::from_secs(1);

type Slot<V> = Arc<Mutex<Option<Known<V>>>>;

struct Known<V> {
    answer: V,
    /// When it was given.
    at: Instant,
    /// When it is asked for again.
    again: Instant,
}

/// Answers to questions.
pub(crate) struct Memory<K, V> {
    slots: moka::sync::Cache<K, Slot<V>>,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        let slots = moka::sync::Cache::builder()
            .max_capacity(MOST)
            .time_to_idle(OUTAGE)
            .build();
        Self { slots }
    }

    /// The answer, asked for where it is not fresh. Who asks the same meanwhile waits
    /// for the same answer.
    pub(crate) async fn recall(
        &self,
        question: K,
        ask: impl Future<Output = Result<V, Problem>>,
    ) -> Result<V, Problem> {
        let slot = self.slots.get_with(question, Slot::default);
        let mut known = slot.lock().await;
        let now = Instant::now();
        if let Some(it) = &*known
            && now < it.again
        {
            return Ok(it.answer.clone());
        }
        match (ask.await, &mut *known) {
            (Ok(answer), known) => {
                let at = Instant::now();
                *known = Some(Known {
                    answer: answer.clone(),
                    at,
                    again: at + FRESH,
                });
                Ok(answer)
            }
            (Err(problem), Some(it)) if problem.is_outage() && it.at.elapsed() < OUTAGE => {
                it.again = Instant::now() + RETRY;
                Ok(it.answer.clone())
            }
            (Err(problem), known) => {
                *known = None;
                Err(problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_hundred_who_ask_the_same_ask_once() {
        let (memory, asked) = (Memory::<u8, u8>::new(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(7)
        };
        let all = (0..100).map(|_| memory.recall(1, ask()));
        let answers = futures::future::join_all(all).await;
        assert!(answers.into_iter().all(|it| it.is_ok_and(|it| it == 7)));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_was_refused_is_not_remembered_as_allowed() {
        let memory = Memory::<u8, u8>::new();
        let refused = async { Err(Problem::unauthenticated()) };
        assert!(memory.recall(1, refused).await.is_err());
        assert!(memory.recall(1, async { Ok(7) }).await.is_ok());
    }

    #[tokio::test]
    async fn while_nobody_answers_the_last_answer_stands() {
        let memory = Memory::<u8, u8>::new();
        assert!(memory.recall(1, async { Ok(7) }).await.is_ok());
        memory.age(&1, FRESH).await;
        let nobody = || async { Err(Problem::unavailable("nobody")) };
        assert_eq!(memory.recall(1, nobody()).await.ok(), Some(7));
        assert!(memory.recall(2, nobody()).await.is_err());
        memory.age(&1, OUTAGE).await;
        assert!(memory.recall(1, nobody()).await.is_err());
    }

    impl Memory<u8, u8> {
        async fn age(&self, question: &u8, by: Duration) {
            let slot = self.slots.get(question).unwrap();
            let mut known = slot.lock().await;
            let known = known.as_mut().unwrap();
            known.at = known.at.checked_sub(by).unwrap();
            known.again = known.at + FRESH;
        }
    }
}
