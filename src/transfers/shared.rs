//! What replicas share of callers' keys, how long it is waited for, and what is known of those that others hold.
//!
//! Nobody's wall clock counts: a replica that holds a key has written for how long it may still act on it, and whoever
//! finds it measures that by its own clock, from the moment it first saw that entry.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;
use tokio::time::{Instant, timeout};
use tracing::{debug, error, info, warn};

use crate::{cause, cluster::bucket_error::BucketError, ids::BootId, transfers::board::Board};

/// What becomes of a call with a key while the other replicas cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// It is refused.
    Refuse,
    /// It goes on with what this replica knows, and the answer says so.
    Local,
}

/// What replicas share of callers' keys.
pub struct Shared {
    board: Box<dyn Board>,
    boot: BootId,
    without: Without,
    circuit: Mutex<Circuit>,
    sightings: Cache<Arc<str>, Sighting>,
}

/// The other replicas cannot be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other replicas cannot be asked")]
pub struct Unreached {
    /// When asking again may help.
    pub retry_after: Duration,
}

/// Why the question was not answered.
#[derive(Debug, thiserror::Error)]
pub(in crate::transfers) enum Trouble {
    /// The bucket could not be used.
    #[error("using the bucket of idempotency keys")]
    Bucket(#[from] BucketError),
    /// What stands under one key is not in a form that this version knows.
    #[error("what stands under an idempotency key is not in the form of this version")]
    Unreadable,
}

impl Trouble {
    /// Whether other keys can be asked for all the same.
    fn is_of_one_entry(&self) -> bool {
        matches!(
            self,
            Self::Unreadable | Self::Bucket(BucketError::TooLarge(_))
        )
    }
}

/// Spares calls the wait for a cluster that did not answer a moment ago.
#[derive(Debug, Default)]
struct Circuit {
    /// Nobody asks before this; then one does.
    open_until: Option<Instant>,
    /// What the log was told in the last minute, and when.
    reasons: Vec<(String, Instant)>,
    /// Whether the log ends with keys that are not shared.
    is_told: bool,
}

/// An entry of another replica as it was first seen.
#[derive(Clone, Debug)]
struct Sighting {
    revision: u64,
    /// A bucket that was made anew counts revisions from 1 again.
    holder: Arc<str>,
    since: Instant,
}

impl Shared {
    /// Shares keys on this board.
    #[must_use]
    pub fn new(board: Box<dyn Board>, boot: BootId, without: Without) -> Self {
        Self {
            board,
            boot,
            without,
            circuit: Mutex::default(),
            sightings: Cache::builder()
                .max_capacity(MOST_SIGHTINGS)
                .time_to_idle(LONGEST_SIGHTING)
                .build(),
        }
    }

    /// How old an entry must get at least, so that none goes before its time: an answer's is `ttl`, and a call's the
    /// longest that it may take.
    #[must_use]
    pub fn max_age(ttl: Duration, deadline: Duration) -> Duration {
        ttl.max(deadline.saturating_add(MARGIN).saturating_mul(2))
    }

    /// Whether calls go on while the others cannot be asked.
    pub(in crate::transfers) fn goes_on_alone(&self) -> bool {
        self.without == Without::Local
    }

    pub(in crate::transfers) fn board(&self) -> &dyn Board {
        &*self.board
    }

    /// Makes the bucket, where it is absent.
    pub(in crate::transfers) async fn prepare(&self) {
        match self.board.prepare().await {
            Ok(()) => self.answered(),
            Err(why) => self.failed(&why.into()),
        }
    }

    /// Whether keys are shared as far as is known.
    pub(in crate::transfers) fn is_shared(&self) -> bool {
        self.circuit().open_until.is_none()
    }

    /// A name of its own for each call that holds a key; the journal tells of the run that it begins with.
    pub(in crate::transfers) fn holder(&self) -> Arc<str> {
        format!("{}.{:016x}", self.boot, fastrand::u64(..)).into()
    }

    /// Asks something, but not for long, and not while it is known to be in vain.
    pub(in crate::transfers) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Unreached> {
        self.circuit().pass()?;
        let trouble = match timeout(PATIENCE, question).await {
            Ok(Ok(answer)) => {
                self.answered();
                return Ok(answer);
            }
            Ok(Err(trouble)) if trouble.is_of_one_entry() => {
                self.answered();
                let why = cause::chain(&trouble);
                if self.circuit().is_news(&why) {
                    error!(error = %why, "a call with a key cannot go on");
                } else {
                    debug!(error = %why, "another call with a key cannot go on");
                }
                return Err(Unreached { retry_after: PAUSE });
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => BucketError::Unanswered("no answer in time".to_owned()).into(),
        };
        self.failed(&trouble);
        Err(Unreached { retry_after: PAUSE })
    }

    /// Whether whoever holds a key can do nothing more about it: the entry has not changed for `lease` since it was
    /// first seen here.
    pub(in crate::transfers) fn has_run_out(
        &self,
        name: &Arc<str>,
        revision: u64,
        holder: &str,
        lease: Duration,
    ) -> bool {
        let is_it = |seen: &Sighting| seen.revision == revision && *seen.holder == *holder;
        let seen = self.sightings.get(name).filter(is_it);
        let since = seen.map_or_else(Instant::now, |sighting| sighting.since);
        let sighting = Sighting {
            revision,
            holder: holder.into(),
            since,
        };
        self.sightings.insert(Arc::clone(name), sighting);
        since.elapsed() >= lease
    }

    fn answered(&self) {
        let mut circuit = self.circuit();
        circuit.open_until = None;
        if std::mem::take(&mut circuit.is_told) {
            info!("idempotency keys are shared again");
        }
    }

    fn failed(&self, trouble: &Trouble) {
        let why = cause::chain(trouble);
        let mut circuit = self.circuit();
        circuit.open_until = Some(Instant::now() + PAUSE);
        if !circuit.is_news(&why) {
            debug!(error = %why, "idempotency keys are still not shared");
            return;
        }
        circuit.is_told = true;
        match trouble {
            Trouble::Bucket(why_not) if why_not.is_lasting() => {
                error!(error = %why, "idempotency keys are not shared");
            }
            _ => warn!(error = %why, "idempotency keys are not shared"),
        }
    }

    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    /// Whether the log was not told this a moment ago.
    fn is_news(&mut self, why: &str) -> bool {
        self.reasons.retain(|(_, at)| at.elapsed() < APART);
        let was_told = self.reasons.iter().any(|(told, _)| told == why);
        let is_news = !was_told && self.reasons.len() < MOST_REASONS;
        if is_news {
            self.reasons.push((why.to_owned(), Instant::now()));
        }
        is_news
    }

    fn pass(&mut self) -> Result<(), Unreached> {
        let now = Instant::now();
        let Some(until) = self.open_until else {
            return Ok(());
        };
        if now < until {
            let retry_after = until.saturating_duration_since(now);
            return Err(Unreached { retry_after });
        }
        // This one tries, and the others do not wait with it.
        self.open_until = Some(now + PAUSE);
        Ok(())
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("board", &self.board)
            .field("without", &self.without)
            .finish_non_exhaustive()
    }
}

/// The pauses between looks at a key that another replica holds: doubling, with jitter.
pub(in crate::transfers) fn pauses() -> impl Iterator<Item = Duration> {
    let doubled = |pause: &Duration| Some(pause.saturating_mul(2).min(LONGEST_PAUSE));
    let pauses = std::iter::successors(Some(FIRST_PAUSE), doubled);
    pauses.map(|pause| pause.mul_f64(0.5 + fastrand::f64() / 2.0))
}

/// A server answers within milliseconds, and a call with a key should not wait long for one that does not.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long nobody asks after a question was not answered.
const PAUSE: Duration = Duration::from_secs(2);

/// Each reason is told once in so long, and at most so many of them.
const APART: Duration = Duration::from_mins(1);
const MOST_REASONS: usize = 8;

const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// So much later than the first, at most, another replica's callers have its answer.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// How much longer than its deadline a call is believed to act: what it has handed to the network by then may still
/// be on its way.
pub(in crate::transfers) const MARGIN: Duration = Duration::from_secs(5);

/// Whatever is forgotten of these is waited for again.
const MOST_SIGHTINGS: u64 = 10_000;

/// Longer than any call may take.
const LONGEST_SIGHTING: Duration = Duration::from_hours(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn tells_a_reason_that_lasts_once_a_minute() {
        let mut circuit = Circuit::default();
        let mut told = Vec::new();

        for second in 0..180 {
            if circuit.is_news("away") {
                told.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }

        assert_eq!(told, [0, 60, 120]);
        let others = (0..20).filter(|number| circuit.is_news(&number.to_string()));
        assert_eq!(others.count(), MOST_REASONS);
    }
}
