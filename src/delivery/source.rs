//! Records of the journal for a sink, read in threads that may block.

use std::path::{Path, PathBuf};

use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
};

use crate::{
    audit::{
        chain::Head,
        journal::Journal,
        reader::{self, Misfit, Most, Reader, Record},
        verify::Unreadable,
    },
    ids::JournalId,
};

/// Reads a journal on. It does not keep the journal open.
#[derive(Debug)]
pub(in crate::delivery) struct Source {
    dir: PathBuf,
    journal: JournalId,
    durable: watch::Receiver<u64>,
    reader: Option<Reader>,
}

/// There is nothing to ship.
#[derive(Debug, thiserror::Error)]
pub(in crate::delivery) enum Trouble {
    /// The journal is not as it should be.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// The thread is gone.
    #[error("reading the journal")]
    Thread(#[from] JoinError),
}

impl From<Unreadable> for Trouble {
    fn from(unreadable: Unreadable) -> Self {
        Self::Misfit(unreadable.into())
    }
}

impl Source {
    pub(in crate::delivery) fn of(journal: &Journal, dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            journal: journal.id(),
            durable: journal.watch_durable(),
            reader: None,
        }
    }

    pub(in crate::delivery) fn journal(&self) -> JournalId {
        self.journal
    }

    /// The last record that is on the disk.
    pub(in crate::delivery) fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Waits until there is more; false where there never will be, because the journal is closed.
    pub(in crate::delivery) async fn more(&mut self) -> bool {
        self.durable.changed().await.is_ok()
    }

    /// Goes on behind a record, or with the oldest one there is.
    pub(in crate::delivery) fn go_on_behind(&mut self, head: Option<Head>) {
        self.reader = Some(Reader::behind(&self.dir, self.journal, head));
    }

    /// Reads the next records; none only where there is none.
    pub(in crate::delivery) async fn read(&mut self) -> Result<Vec<Record>, Trouble> {
        // What is on the disk is looked at before the segments are.
        let upto = self.durable();
        let Some(mut reader) = self.reader.take() else {
            return Ok(Vec::new());
        };
        let reading = spawn_blocking(move || {
            let records = reader.read(upto, BATCH);
            (reader, records)
        });
        let (reader, records) = reading.await?;
        self.reader = Some(reader);
        Ok(records?)
    }

    /// The end of the journal behind one of its records, where that is still known.
    pub(in crate::delivery) async fn head_at(&self, seq: u64) -> Result<Option<Head>, Trouble> {
        let dir = self.dir.clone();
        Ok(spawn_blocking(move || reader::head_at(&dir, seq)).await??)
    }
}

/// What a sink takes at once: half of the least that collectors and brokers take by default, 1 MiB.
const BATCH: Most = Most {
    records: 256,
    bytes: 512 << 10,
};
