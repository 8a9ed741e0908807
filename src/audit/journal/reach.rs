//! Which journal it is, and how far it reaches.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    audit::{chain::Head, journal::Journal, vitals::Vitals},
    ids::{BootId, JournalId},
};

impl Journal {
    /// The last record that is known to be on the disk; 0 where there is none.
    #[must_use]
    pub fn durable(&self) -> u64 {
        self.0.board.durable()
    }

    /// Tells of each change of that, for as long as the journal is open.
    #[must_use]
    pub fn watch_durable(&self) -> watch::Receiver<u64> {
        self.0.board.watch()
    }

    /// How it does.
    #[must_use]
    pub fn vitals(&self) -> &Vitals {
        &self.0.board.vitals
    }

    /// Whether the last write was a success; unlike [`Journal::is_writable`] it tries nothing.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.0.board.is_healthy() && !self.0.queue.is_stalled()
    }

    /// Tells of each checkpoint of this run that is on the disk, by its line without the newline, for as long as the
    /// journal is open. Of several that come at once whoever looks sees the last.
    #[must_use]
    pub fn watch_checkpoint(&self) -> watch::Receiver<Option<Bytes>> {
        self.0.board.watch_checkpoint()
    }

    /// Asks for the journal later, without keeping it open until then.
    pub fn if_open(&self) -> impl Fn() -> Option<Self> + Send + Sync + use<> {
        let shared = Arc::downgrade(&self.0);
        move || shared.upgrade().map(Self)
    }

    /// Which journal it is.
    #[must_use]
    pub fn id(&self) -> JournalId {
        self.0.id
    }

    /// The end that this run found, behind which its own records stand.
    #[must_use]
    pub fn found(&self) -> Head {
        self.0.found
    }

    /// This run of the process.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.0.board.boot
    }
}
