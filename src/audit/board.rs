//! What journal and writer both see.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{
    audit::{Settings, summary::Tally},
    ids::BootId,
};

/// What journal and writer both see.
#[derive(Debug)]
pub(in crate::audit) struct Board {
    pub(in crate::audit) boot: BootId,
    pub(in crate::audit) healthy: AtomicBool,
    /// The last record that is known to be on the disk.
    pub(in crate::audit) durable: AtomicU64,
    pub(in crate::audit) tally: Tally,
}

impl Board {
    /// Begins a run of the process.
    pub(in crate::audit) fn of(settings: &Settings) -> Self {
        Self {
            boot: BootId::next(),
            healthy: AtomicBool::new(true),
            durable: AtomicU64::new(0),
            tally: Tally::beyond(settings.unauthenticated_rate),
        }
    }

    /// Notes that everything up to a record is on the disk.
    pub(in crate::audit) fn reached(&self, seq: u64) {
        self.durable.store(seq, Ordering::Release);
    }
}
