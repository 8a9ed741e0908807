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

/// Calls under way, which a drain waits for.
#[derive(Clone, Debug, Default)]
pub struct Tasks(TaskTracker);

/// Says whether the process is leaving, and since when; clones are the same drain.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    told: CancellationToken,
    since: Arc<OnceLock<Instant>>,
}

/// A drain ran out of time with calls still under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{under_way} calls were still under way when the drain ran out of time")]
pub struct Cut {
    /// How many calls were cut off.
    pub under_way: usize,
}

impl Tasks {
    /// Runs a future in a task of its own, which a drain waits for.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.spawn(future)
    }

    /// Waits until no task is running; more may be spawned while and after it waits.
    pub async fn idle(&self) {
        self.0.close();
        self.0.wait().await;
    }

    /// Waits for all tasks, for so long.
    ///
    /// # Errors
    ///
    /// When tasks are still running then.
    pub async fn finish(&self, within: Duration) -> Result<(), Cut> {
        tokio::time::timeout(within, self.idle())
            .await
            .map_err(|_| Cut {
                under_way: self.0.len(),
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
