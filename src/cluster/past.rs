//! What this run has seen of a bucket, so that it notices when what stood there is gone.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::datetime::DateTime;
use tokio::time::Instant;
use tracing::error;

/// What was seen of one bucket.
#[derive(Debug, Default)]
pub(in crate::cluster) struct Past(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    /// When the bucket was made that was found last.
    made_at: Option<DateTime>,
    /// The highest revision that a write of this run had in it.
    highest: u64,
    /// When it was noticed last that entries were gone.
    lost_at: Option<Instant>,
    /// How often it was.
    losses: u64,
}

impl Past {
    /// Notes a bucket that is there, and notices one that is not the one of before, whoever made it.
    pub(in crate::cluster) fn found(&self, bucket: &str, made_at: DateTime) {
        let mut seen = self.seen();
        let before = seen.made_at.replace(made_at);
        if before.is_some_and(|before| before != made_at) {
            seen.highest = 0;
            seen.lose(bucket);
        }
    }

    /// The highest revision that is known.
    pub(in crate::cluster) fn highest(&self) -> u64 {
        self.seen().highest
    }

    /// Notes the revision of a write that was begun when `before` was the highest. Revisions never fall while a bucket
    /// lives, so it also notices one that another gateway has made anew.
    pub(in crate::cluster) fn wrote(&self, bucket: &str, revision: u64, before: u64) {
        let mut seen = self.seen();
        if revision > before {
            seen.highest = seen.highest.max(revision);
        } else if seen.highest >= before {
            seen.highest = revision;
            seen.lose(bucket);
        }
    }

    /// Whether entries were lost so short a time ago that they would still stand.
    pub(in crate::cluster) fn has_lost(&self, max_age: Option<Duration>) -> bool {
        let is_recent = |at: Instant| max_age.is_none_or(|age| at.elapsed() < age);
        self.seen().lost_at.is_some_and(is_recent)
    }

    /// How often it was noticed that entries were gone.
    pub(in crate::cluster) fn losses(&self) -> u64 {
        self.seen().losses
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn lose(&mut self, bucket: &str) {
        self.lost_at = Some(Instant::now());
        self.losses = self.losses.saturating_add(1);
        error!(
            bucket,
            "a bucket of the cluster was lost and made anew; what stood there is gone"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn notices_a_bucket_of_another_age_until_its_entries_would_be_gone() {
        let past = Past::default();
        let age = Some(Duration::from_mins(1));
        past.found("a", DateTime::UNIX_EPOCH);
        past.found("a", DateTime::UNIX_EPOCH);
        assert!(!past.has_lost(age));

        past.found("a", DateTime::UNIX_EPOCH + Duration::from_millis(1));

        assert!(past.has_lost(age));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(!past.has_lost(age));
        assert!(past.has_lost(None));
        assert_eq!(past.losses(), 1);
    }

    #[test]
    fn notices_revisions_that_fall_and_not_those_that_come_out_of_order() {
        let past = Past::default();
        for (revision, before, is_lost) in
            [(7, 0, false), (9, 7, false), (8, 7, false), (1, 9, true)]
        {
            past.wrote("a", revision, before);

            assert_eq!(past.has_lost(None), is_lost, "{revision}");
        }
        assert_eq!(past.highest(), 1);
    }
}
