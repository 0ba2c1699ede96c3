//! What if a task that everything rests on panics? The process ends, loudly: whoever
//! runs it starts it anew, and nobody believes that all is well.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;

/// Starts tasks that must not panic.
#[derive(Clone)]
pub(crate) struct Vital {
    fallen: UnboundedSender<&'static str>,
}

impl Vital {
    /// And where those are told of that did.
    pub(crate) fn new() -> (Self, UnboundedReceiver<&'static str>) {
        let (fallen, told) = unbounded_channel();
        (Self { fallen }, told)
    }

    /// Starts a task; a panic of it is told by its name.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> AbortHandle {
        let fallen = self.fallen.clone();
        let task = tokio::spawn(task);
        let abort = task.abort_handle();
        tokio::spawn(async move {
            if task.await.is_err_and(|it| it.is_panic()) {
                // Nobody listens any more where the process ends already.
                let _ = fallen.send(name);
            }
        });
        abort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_told_and_an_end_is_not() {
        let (vital, mut fallen) = Vital::new();
        vital.spawn("ends", async {});
        vital.spawn("panics", async { panic!("on purpose") });
        assert_eq!(fallen.recv().await, Some("panics"));
    }
}
