//! How often the configuration was read anew, and what came of it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How often the configuration was read anew since the start, and what came of it.
#[derive(Debug, Default)]
pub struct Reloads {
    done: AtomicU64,
    failed: AtomicU64,
    /// Whether the last one came to nothing.
    stale: AtomicBool,
    /// How many keys of what was read last need a restart.
    waiting: AtomicU64,
}

impl Reloads {
    /// Counts one that is in force, except for so many keys that need a restart, and returns how many there were.
    pub fn done(&self, waiting: u64) -> u64 {
        self.waiting.store(waiting, Ordering::Relaxed);
        self.stale.store(false, Ordering::Relaxed);
        self.done.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Counts one that was not sound, and returns how many there were.
    pub fn failed(&self) -> u64 {
        self.stale.store(true, Ordering::Relaxed);
        self.failed
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1)
    }

    /// Each count under the name of its result.
    #[must_use]
    pub fn by_result(&self) -> [(&'static str, u64); 2] {
        [
            ("in_force", self.done.load(Ordering::Relaxed)),
            ("refused", self.failed.load(Ordering::Relaxed)),
        ]
    }

    /// How many keys of what was read last take effect only after a restart.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether the files hold something else than what is in force, because it was not sound.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Relaxed)
    }
}
