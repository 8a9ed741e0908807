//! How far a sink is, as anybody may look at any time.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::sync::watch;

use crate::measure::Moment;

/// How far a sink is.
#[derive(Debug)]
pub struct Progress {
    sink: String,
    kind: &'static str,
    durable: watch::Receiver<u64>,
    /// The last record that it has acknowledged, or that was set aside.
    reached: AtomicU64,
    acknowledged_at: Moment,
    oldest_unsent_at: Moment,
    refused: AtomicU64,
    skipped: AtomicU64,
    rewinds: AtomicU64,
    held: AtomicBool,
}

impl Progress {
    /// The progress of a sink that has reached a record, under a watch of what is on the disk.
    #[must_use]
    pub fn of(sink: &str, kind: &'static str, reached: u64, durable: watch::Receiver<u64>) -> Self {
        Self {
            sink: sink.to_owned(),
            kind,
            durable,
            reached: AtomicU64::new(reached),
            acknowledged_at: Moment::default(),
            oldest_unsent_at: Moment::default(),
            refused: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            rewinds: AtomicU64::new(0),
            held: AtomicBool::new(false),
        }
    }

    /// The sink's name.
    #[must_use]
    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// What it is, in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// How many records are on the disk that the sink does not have.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.durable.borrow().saturating_sub(self.reached())
    }

    /// The last record that the sink has, or that was set aside; 0 where there is none.
    #[must_use]
    pub fn reached(&self) -> u64 {
        self.reached.load(Ordering::Relaxed)
    }

    /// When it last acknowledged a record in this run, as a time since 1970.
    #[must_use]
    pub fn acknowledged_at(&self) -> Option<Duration> {
        self.acknowledged_at.since_1970()
    }

    /// When the oldest record was written that the sink is waited for with, as a time since 1970.
    #[must_use]
    pub fn oldest_unsent_at(&self) -> Option<Duration> {
        self.oldest_unsent_at.since_1970()
    }

    /// How many records were refused for good in this run.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// How many records retention had removed in this run before the sink had them.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }

    /// How often in this run the sink had lost what it had acknowledged.
    #[must_use]
    pub fn rewinds(&self) -> u64 {
        self.rewinds.load(Ordering::Relaxed)
    }

    /// Whether a person is needed.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    pub(in crate::delivery) fn reach(&self, seq: u64) {
        self.reached.store(seq, Ordering::Relaxed);
    }

    pub(in crate::delivery) fn acknowledged(&self, at: SystemTime) {
        self.acknowledged_at.note(Some(at));
    }

    pub(in crate::delivery) fn waits_with(&self, oldest: Option<SystemTime>) {
        self.oldest_unsent_at.note(oldest);
    }

    /// Counts a record that was refused, and tells how many those are by now.
    pub(in crate::delivery) fn refuses(&self) -> u64 {
        self.refused
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    pub(in crate::delivery) fn skips(&self, records: u64) {
        self.skipped.fetch_add(records, Ordering::Relaxed);
    }

    pub(in crate::delivery) fn rewound(&self) {
        self.rewinds.fetch_add(1, Ordering::Relaxed);
    }

    pub(in crate::delivery) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }
}
