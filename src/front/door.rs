//! How many connections a listener may hold and does, and how often one could not be accepted.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// What a listener's connections come in by.
#[derive(Debug)]
pub struct Door {
    most: usize,
    places: Arc<Semaphore>,
    running: TaskTracker,
    failures: AtomicU64,
    failed_at: Mutex<Option<Instant>>,
}

impl Door {
    /// Lets so many in at once.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most)),
            running: TaskTracker::new(),
            failures: AtomicU64::new(0),
            failed_at: Mutex::default(),
        }
    }

    /// How many connections may be open at once.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.running.len()
    }

    /// How often a connection could not be accepted.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits for a place; there is always one in the end.
    pub(in crate::front) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// Where connections are served.
    pub(in crate::front) fn running(&self) -> &TaskTracker {
        &self.running
    }

    /// Counts a connection that could not be accepted, and tells why unless the last one was moments ago: where the
    /// process is out of descriptors, each attempt fails.
    pub(in crate::front) fn failed(&self, error: &io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if self.is_news() {
            warn!(error = %error, "connections are not accepted");
        } else {
            debug!(error = %error, "connection not accepted");
        }
    }

    fn is_news(&self) -> bool {
        let mut failed_at = self
            .failed_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = failed_at.replace(Instant::now());
        before.is_none_or(|before| before.elapsed() >= QUIET)
    }
}

/// How long connections must have been accepted before one that is not is news again; trouble that comes and goes
/// with each connection that ends is told of once.
const QUIET: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn has_news_of_failures_once_until_it_was_quiet() {
        let door = Door::of(1);
        let mut news = Vec::new();

        for wait in [0, 1, 59, 60] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            news.push(door.is_news());
        }

        assert_eq!(news, [true, false, false, true]);
    }
}
