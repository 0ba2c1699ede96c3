//! How often is the API server asked the same? Once in some seconds, however many ask.
//! While it does not answer, what it said last stands for a while.

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::problem::Problem;

/// For how long an answer is taken for true; with [`crate::access::TOGETHER`] 5 s in all.
const FRESH: Duration = Duration::from_secs(4);
/// For how long an answer stands in while nobody answers.
const STANDS_IN: Duration = Duration::from_mins(10);
/// After how long a question that failed is asked again. Until then whoever asks the same
/// is given the same failure.
const RETRY: Duration = Duration::from_secs(1);
/// How long an answer is waited for where there is one to stand in.
const IMPATIENCE: Duration = Duration::from_secs(2);
/// How many questions are remembered.
const MOST: u64 = 100_000;

/// Whether the API server has left somebody without an answer just now: whoever has an
/// answer to go by does not wait for another.
#[derive(Clone, Debug)]
pub(crate) struct Outage {
    began: Instant,
    /// Milliseconds after that.
    until: Arc<AtomicU64>,
}

impl Outage {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            until: Arc::default(),
        }
    }

    pub(crate) fn note(&self) {
        self.until
            .store(self.now() + millis(RETRY), Ordering::Relaxed);
    }

    /// Somebody was answered.
    pub(crate) fn end(&self) {
        self.until.store(0, Ordering::Relaxed);
    }

    pub(crate) fn is_on(&self) -> bool {
        self.now() < self.until.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn millis(it: Duration) -> u64 {
    u64::try_from(it.as_millis()).unwrap_or(u64::MAX)
}

type Slot<V> = Arc<Mutex<Known<V>>>;

struct Known<V> {
    /// The last answer, and when it was given.
    answer: Option<(V, Instant)>,
    /// Why there was none, and until when that is the answer.
    failure: Option<(Problem, Instant)>,
}

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self {
            answer: None,
            failure: None,
        }
    }
}

impl<V: Clone> Known<V> {
    fn answer(&self, age: Duration) -> Option<V> {
        let (answer, at) = self.answer.as_ref()?;
        (at.elapsed() < age).then(|| answer.clone())
    }

    /// What is answered without asking.
    fn recall(&self, is_outage: bool) -> Option<Result<V, Problem>> {
        if let Some(answer) = self.answer(FRESH) {
            return Some(Ok(answer));
        }
        let failure = self.failure.as_ref();
        let failure = failure.filter(|(_, until)| Instant::now() < *until);
        match failure {
            Some((problem, _)) => Some(self.stand_in(problem.clone())),
            None if is_outage => self.answer(STANDS_IN).map(Ok),
            None => None,
        }
    }

    /// The last answer, while nobody gives another.
    fn stand_in(&self, problem: Problem) -> Result<V, Problem> {
        let last = self.answer(STANDS_IN).filter(|_| problem.is_outage());
        last.ok_or(problem)
    }
}

pub(crate) fn silent() -> Problem {
    Problem::unavailable("the API server does not answer; try again in a moment")
}

/// Answers to questions.
pub(crate) struct Memory<K, V> {
    slots: moka::sync::Cache<K, Slot<V>>,
    outage: Outage,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new(outage: &Outage) -> Self {
        let slots = moka::sync::Cache::builder()
            .max_capacity(MOST)
            .time_to_idle(STANDS_IN)
            .build();
        Self {
            slots,
            outage: outage.clone(),
        }
    }

    /// The answer, asked for where it is not fresh. Who asks the same meanwhile waits
    /// for the same answer, or for the same failure.
    pub(crate) async fn recall<A>(&self, question: K, ask: impl FnOnce() -> A) -> Result<V, Problem>
    where
        A: Future<Output = Result<V, Problem>>,
    {
        let slot = self.slots.get_with(question, Slot::default);
        let mut known = slot.lock().await;
        if let Some(answer) = known.recall(self.outage.is_on()) {
            return answer;
        }
        // Nearly always it is known: then nothing of this is there.
        let ask = Box::pin(ask());
        let answer = if known.answer(STANDS_IN).is_some() {
            let answer = timeout(IMPATIENCE, ask).await;
            answer.unwrap_or_else(|_| {
                // Nobody else has to wait as long.
                self.outage.note();
                Err(silent())
            })
        } else {
            ask.await
        };
        match answer {
            Ok(answer) => {
                *known = Known {
                    answer: Some((answer.clone(), Instant::now())),
                    failure: None,
                };
                Ok(answer)
            }
            Err(problem) => {
                if !problem.is_outage() {
                    known.answer = None;
                }
                known.failure = Some((problem.clone(), Instant::now() + RETRY));
                known.stand_in(problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn memory() -> Memory<u8, u8> {
        Memory::new(&Outage::new())
    }

    async fn nobody() -> Result<u8, Problem> {
        Err(Problem::unavailable("nobody"))
    }

    #[tokio::test]
    async fn a_hundred_who_ask_the_same_ask_once_whatever_the_answer() {
        for answer in [Ok(7), Err(Problem::unauthenticated())] {
            let (memory, asked) = (memory(), AtomicUsize::new(0));
            let ask = || async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                answer.clone()
            };
            let all = (0..100).map(|_| memory.recall(1, &ask));
            let answers = futures::future::join_all(all).await;
            assert!(answers.into_iter().all(|it| it.ok() == answer.clone().ok()));
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn what_was_refused_does_not_stand_in_for_anything() {
        let memory = memory();
        assert!(memory.recall(1, async || Ok(7)).await.is_ok());
        memory.age(1, FRESH).await;
        let refused = async || Err(Problem::unauthenticated());
        assert!(memory.recall(1, refused).await.is_err());
        memory.age(1, RETRY).await;
        assert!(memory.recall(1, nobody).await.is_err());
    }

    #[tokio::test]
    async fn while_nobody_answers_the_last_answer_stands() {
        let memory = memory();
        assert!(memory.recall(1, async || Ok(7)).await.is_ok());
        memory.age(1, FRESH).await;
        assert_eq!(memory.recall(1, nobody).await.ok(), Some(7));
        assert!(memory.recall(2, nobody).await.is_err());
        memory.age(1, STANDS_IN).await;
        assert!(memory.recall(1, nobody).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_an_answer_to_go_by_does_not_wait_long_and_in_an_outage_not_at_all() {
        let memory = memory();
        assert!(memory.recall(1, async || Ok(7)).await.is_ok());
        memory.age(1, FRESH).await;
        let silence = std::future::pending::<Result<u8, Problem>>;
        let begun = tokio::time::Instant::now();
        assert_eq!(memory.recall(1, silence).await.ok(), Some(7));
        assert_eq!(begun.elapsed(), IMPATIENCE);
        memory.age(1, RETRY).await;
        memory.outage.note();
        assert_eq!(memory.recall(1, silence).await.ok(), Some(7));
        assert_eq!(begun.elapsed(), IMPATIENCE);
        // Of whom nothing is known is asked all the same.
        assert_eq!(memory.recall(2, async || Ok(8)).await.ok(), Some(8));
    }

    impl Memory<u8, u8> {
        async fn age(&self, question: u8, by: Duration) {
            let slot = self.slots.get(&question).unwrap();
            let mut known = slot.lock().await;
            let earlier = |it: &mut Instant| *it = it.checked_sub(by).unwrap();
            if let Some((_, at)) = &mut known.answer {
                earlier(at);
            }
            if let Some((_, until)) = &mut known.failure {
                earlier(until);
            }
        }
    }
}
