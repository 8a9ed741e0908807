//! How long whoever asks a sink for something waits for it: the one limit on a step, in whatever parts a sink takes it.

use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::delivery::sink::Setback;

/// Waits for an answer of a sink, for as long as it may take; for ever where that is absent. What is dropped then
/// leaves the sink as after any other setback.
///
/// # Errors
///
/// When the sink says so, or nothing.
pub async fn within<T>(
    patience: Option<Duration>,
    answer: BoxFuture<'_, Result<T, Setback>>,
) -> Result<T, Setback> {
    let Some(patience) = patience else {
        return answer.await;
    };
    let silent = |_| Setback::Passing {
        why: format!("no answer in {} s", patience.as_secs()),
        after: None,
    };
    timeout(patience, answer).await.map_err(silent)?
}

/// A batch of 256 records one by one, at 100 ms each, is slow for three copies on disks; a server's own limit for a
/// statement, which tells more, is shorter.
pub const PATIENCE: Duration = Duration::from_mins(1);
