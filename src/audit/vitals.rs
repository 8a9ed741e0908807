//! How the journal does, for those who watch the gateway.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::measure::{Distribution, Moment, SIZES, TIMES};

/// How the journal does. The writer tells; whoever wants to know reads.
#[derive(Debug)]
pub struct Vitals {
    /// How long calls waited until their intents were durable.
    pub intents: Distribution,
    /// How long answers waited until their outcomes were durable.
    pub outcomes: Distribution,
    /// How long writing a batch and having it on the disk took.
    pub commits: Distribution,
    /// How many records a batch had.
    pub batches: Distribution,
    /// The calls of earlier runs that this one closed.
    pub closed: Closed,
    synced: Moment,
    extent: Mutex<Extent>,
    /// In bytes; 0 before it was looked at.
    disk_left: AtomicU64,
}

/// How much the journal takes, and what it has promised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// What its segments take, in bytes.
    pub bytes: u64,
    /// What they may take, in bytes: `audit.max_bytes`.
    pub most: u64,
    /// Calls that have an intent and no outcome.
    pub open: u64,
}

/// Calls that an earlier run left open and this one closed, counted by what is known of them.
#[derive(Debug, Default)]
pub struct Closed {
    sent: AtomicU64,
    not_sent: AtomicU64,
    unknown: AtomicU64,
}

impl Default for Vitals {
    fn default() -> Self {
        Self {
            intents: Distribution::of(TIMES),
            outcomes: Distribution::of(TIMES),
            commits: Distribution::of(TIMES),
            batches: Distribution::of(SIZES),
            closed: Closed::default(),
            synced: Moment::default(),
            extent: Mutex::default(),
            disk_left: AtomicU64::default(),
        }
    }
}

impl Vitals {
    /// Notes that all that was written is on the disk.
    pub(in crate::audit) fn synced(&self, at: SystemTime) {
        self.synced.note(Some(at));
    }

    /// When that was last, since 1970; nothing before the first time.
    #[must_use]
    pub fn synced_at(&self) -> Option<Duration> {
        self.synced.since_1970()
    }

    /// Notes how much the journal takes.
    pub(in crate::audit) fn takes(&self, extent: Extent) {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner) = extent;
    }

    /// How much it took when it last wrote.
    #[must_use]
    pub fn extent(&self) -> Extent {
        *self.extent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how much room the journal's disk has left.
    pub(in crate::audit) fn disk_has_left(&self, bytes: u64) {
        self.disk_left.store(bytes.max(1), Ordering::Relaxed);
    }

    /// How much room the disk had left, in bytes, when it was last looked at.
    #[must_use]
    pub fn disk_left(&self) -> Option<u64> {
        let bytes = self.disk_left.load(Ordering::Relaxed);
        (bytes > 0).then_some(bytes)
    }
}

impl Closed {
    /// Counts one by its `forwarded`.
    pub fn note(&self, forwarded: &str) {
        let count = match forwarded {
            "yes" => &self.sent,
            "no" => &self.not_sent,
            _ => &self.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Each count under its `forwarded`.
    #[must_use]
    pub fn by_fate(&self) -> [(&'static str, u64); 3] {
        let counts = [
            ("yes", &self.sent),
            ("no", &self.not_sent),
            ("unknown", &self.unknown),
        ];
        counts.map(|(forwarded, count)| (forwarded, count.load(Ordering::Relaxed)))
    }
}
