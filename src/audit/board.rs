//! What journal and writer both see.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use tokio::sync::watch;
use tracing::{debug, error, info};

use crate::{
    audit::{Settings, summary::Tally, vitals::Vitals},
    ids::BootId,
};

/// What journal and writer both see.
#[derive(Debug)]
pub(in crate::audit) struct Board {
    pub(in crate::audit) boot: BootId,
    /// Whether the last write was a success.
    healthy: AtomicBool,
    /// The last record that is known to be on the disk.
    durable: watch::Sender<u64>,
    /// The line of the last checkpoint that is on the disk, of this run.
    checkpoint: watch::Sender<Option<Bytes>>,
    pub(in crate::audit) tally: Tally,
    pub(in crate::audit) vitals: Vitals,
}

impl Board {
    /// Begins a run of the process.
    pub(in crate::audit) fn of(settings: &Settings) -> Self {
        Self {
            boot: BootId::next(),
            healthy: AtomicBool::new(true),
            durable: watch::Sender::new(0),
            checkpoint: watch::Sender::new(None),
            tally: Tally::beyond(settings.unauthenticated_rate),
            vitals: Vitals::default(),
        }
    }

    /// Notes that everything up to a record is on the disk. Where nobody waits for it, that is a few
    /// uncontended locks; the writer does it once a batch.
    pub(in crate::audit) fn reached(&self, seq: u64) {
        self.durable.send_if_modified(|durable| {
            let before = std::mem::replace(durable, seq);
            before != seq
        });
    }

    /// The last record that is known to be on the disk; 0 where there is none.
    pub(in crate::audit) fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Tells whoever waits when that changes.
    pub(in crate::audit) fn watch(&self) -> watch::Receiver<u64> {
        self.durable.subscribe()
    }

    /// Notes a checkpoint that is on the disk.
    pub(in crate::audit) fn signed(&self, checkpoint: &[u8]) {
        let line = Bytes::copy_from_slice(checkpoint);
        self.checkpoint.send_replace(Some(line));
    }

    /// Tells whoever waits for the next one.
    pub(in crate::audit) fn watch_checkpoint(&self) -> watch::Receiver<Option<Bytes>> {
        self.checkpoint.subscribe()
    }

    /// Notes that something was written, and tells where that is news.
    pub(in crate::audit) fn heals(&self) {
        if !self.healthy.swap(true, Ordering::AcqRel) {
            info!("audit journal writable again");
        }
    }

    /// Notes that something could not be written, and tells where that is news.
    pub(in crate::audit) fn ails(&self, why: &io::Error) {
        if self.healthy.swap(false, Ordering::AcqRel) {
            error!(error = %why, "audit journal not writable");
        } else {
            debug!(error = %why, "audit journal still not writable");
        }
    }

    /// Whether the last write was a success.
    pub(in crate::audit) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}
