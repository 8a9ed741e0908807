//! Work that one task does and any number of callers wait for.
//!
//! The task is nobody's: a caller that leaves takes nothing along, and a drain does not wait for it.
//! This room knows nothing of ours.

use tokio::sync::watch;
use tracing::{Instrument as _, Span};

/// Work under way, or done; clones are of the same.
#[derive(Clone, Debug)]
pub struct Flight<T>(watch::Receiver<Option<T>>);

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Begins work in a task of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "a drain need not wait for what nobody will use"
    )]
    pub fn start(work: impl Future<Output = T> + Send + 'static, span: Span) -> Self {
        let (done, waiting) = watch::channel(None);
        let working = async move {
            let result = work.await;
            done.send_replace(Some(result));
        };
        tokio::spawn(working.instrument(span));
        Self(waiting)
    }

    /// Whether the task is at work; one that has died is not.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.0.has_changed().is_ok()
    }

    /// Waits for the result; there is none where the task died.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the work under way for the others.
    pub async fn result(mut self) -> Option<T> {
        let result = self.0.wait_for(Option::is_some).await;
        result.ok().and_then(|result| result.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn gives_everyone_the_same_result() {
        let flight = Flight::start(ready(7), Span::none());

        let other = flight.clone();

        assert_eq!(flight.result().await, Some(7));
        assert_eq!(other.clone().result().await, Some(7));
        tokio::task::yield_now().await;
        assert!(!other.is_under_way());
    }

    #[tokio::test]
    async fn goes_on_when_who_waits_has_left() {
        let (go, wait) = tokio::sync::oneshot::channel();
        let flight = Flight::start(async { wait.await.unwrap_or(0) }, Span::none());
        let impatient = flight.clone().result();
        drop(tokio::time::timeout(std::time::Duration::ZERO, impatient).await);
        assert!(flight.is_under_way());

        go.send(7).unwrap();

        assert_eq!(flight.result().await, Some(7));
    }

    #[tokio::test]
    async fn has_no_result_where_the_task_died() {
        let died = async { "no number".parse::<u8>().expect("made up") };
        let flight = Flight::start(died, Span::none());

        assert_eq!(flight.clone().result().await, None);
        assert!(!flight.is_under_way());
    }
}
