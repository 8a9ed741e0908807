//! What was answered for before it was on the disk.

use std::{mem, time::Duration};

use tokio::time::Instant;

use crate::audit::{chain::Head, record::Draft};

/// Records that are to be written anew where the disk fails before it has them.
#[derive(Debug)]
pub(in crate::audit) struct Unsynced {
    drafts: Vec<Draft>,
    since: Option<Instant>,
    /// The end of what is on the disk.
    synced: Head,
}

impl Unsynced {
    /// Nothing behind a head that is on the disk.
    pub(in crate::audit) fn behind(synced: Head) -> Self {
        Self {
            drafts: Vec::new(),
            since: None,
            synced,
        }
    }

    /// The end of what is on the disk.
    pub(in crate::audit) fn synced(&self) -> Head {
        self.synced
    }

    /// How long the first of them has waited for the disk, where there are any.
    pub(in crate::audit) fn waited(&self) -> Option<Duration> {
        self.since.map(|since| since.elapsed())
    }

    /// Keeps records until they are on the disk.
    pub(in crate::audit) fn keep(&mut self, drafts: Vec<Draft>) {
        self.since.get_or_insert_with(Instant::now);
        self.drafts.extend(drafts);
    }

    /// Everything up to here is on the disk.
    pub(in crate::audit) fn end_at(&mut self, synced: Head) {
        self.drafts.clear();
        self.since = None;
        self.synced = synced;
    }

    /// Gives up what is not on the disk, in the order in which it was written.
    pub(in crate::audit) fn lose(&mut self) -> Vec<Draft> {
        self.since = None;
        mem::take(&mut self.drafts)
    }
}
