//! Ending in good order: who may still run, and who has been told to stop.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Calls under way, which a drain waits for, and cuts off in the end.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    running: TaskTracker,
    cut: CancellationToken,
}

/// Says whether the process is leaving, and since when; clones are the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    told: CancellationToken,
    since: Arc<OnceLock<Instant>>,
}

/// A drain ran out of time with calls still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "calls cut off by the end of the drain: {under_way}; of these without a record: {unrecorded}"
)]
pub struct Cut {
    /// How many calls were told to end.
    pub under_way: usize,
    /// How many of them did not even then.
    pub unrecorded: usize,
}

impl Tasks {
    /// Runs a future in a task of its own, which a drain waits for.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.running.spawn(future)
    }

    /// Waits until no task is running; more may be spawned while and after it waits.
    pub async fn idle(&self) {
        self.running.close();
        self.running.wait().await;
    }

    /// Waits until tasks are told to tell what became of their work so far, and to end.
    pub async fn cut(&self) {
        self.cut.cancelled().await;
    }

    /// Waits for all tasks, for as long as `within`, then cuts them off, and gives them as long as
    /// `last_words` to end.
    ///
    /// # Errors
    ///
    /// When tasks had to be cut off.
    pub async fn finish(&self, within: Duration, last_words: Duration) -> Result<(), Cut> {
        if tokio::time::timeout(within, self.idle()).await.is_ok() {
            return Ok(());
        }
        let under_way = self.running.len();
        self.cut.cancel();
        let ended = tokio::time::timeout(last_words, self.idle()).await;
        let unrecorded = ended.map_or_else(|_| self.running.len(), |()| 0);
        Err(Cut {
            under_way,
            unrecorded,
        })
    }
}

impl Drain {
    /// Tells everyone that the process is leaving.
    pub fn begin(&self) {
        self.since.get_or_init(Instant::now);
        self.told.cancel();
    }

    /// Whether the process is leaving.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.told.is_cancelled()
    }

    /// Waits until the process is leaving.
    pub async fn begun(&self) {
        self.told.cancelled().await;
    }

    /// What is left of the time that leaving may take.
    #[must_use]
    pub fn left(&self, of: Duration) -> Duration {
        let spent = self.since.get().map(Instant::elapsed);
        of.saturating_sub(spent.unwrap_or_default())
    }
}

/// Has a write beyond the limit on the size of files fail, as one on a full disk does. Unheard, the signal
/// that comes with it ends the process.
///
/// # Errors
///
/// When the handler cannot be installed.
pub fn outlive_file_limits() -> io::Result<()> {
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Hears SIGHUP, which asks for the configuration to be read anew.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Listens for it.
    ///
    /// # Errors
    ///
    /// When the handler cannot be installed.
    pub fn listen() -> io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next.
    ///
    /// # Cancel safety
    ///
    /// None is lost by dropping the future.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Waits for SIGTERM or SIGINT and names the one that came.
///
/// # Errors
///
/// When the handlers cannot be installed.
pub fn asked_to_stop() -> io::Result<impl Future<Output = &'static str>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// Its number on Linux, on the BSDs and on macOS, on the processors that Rust's first two tiers know.
const SIGXFSZ: i32 = 25;

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn counts_tasks_that_are_cut_off_and_those_that_do_not_end_even_then() {
        let tasks = Tasks::default();
        let told = tasks.clone();
        tasks.spawn(async {});
        tasks.spawn(async move { told.cut().await });
        let stuck = tasks.spawn(pending::<()>());
        let began = Instant::now();
        let second = Duration::from_secs(1);

        let finished = tasks.finish(second, 2 * second).await;

        let cut = Cut {
            under_way: 2,
            unrecorded: 1,
        };
        assert_eq!(finished, Err(cut));
        assert_eq!(began.elapsed(), 3 * second);
        stuck.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn cuts_nothing_off_that_ends_in_time() {
        let tasks = Tasks::default();
        let second = Duration::from_secs(1);
        let sleeping = tasks.spawn(tokio::time::sleep(second));

        let finished = tasks.finish(2 * second, second).await;

        assert_eq!(finished, Ok(()));
        assert!(sleeping.is_finished());
    }
}
