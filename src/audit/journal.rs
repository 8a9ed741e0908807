//! The journal as the other rooms see it: hand in a record, wait until it is durable.
//!
//! One thread of its own writes; many callers wait for the same sync. When the journal cannot be
//! written every hand-in fails at once, and each later one tries anew, so it heals when the disk does.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
};

use tokio::sync::oneshot;

use crate::{
    audit::{
        Settings,
        chain::Head,
        record::{Count, Draft},
        recovery::{self, OpenError, Opened},
        segment::Segment,
        writer::{self, Writer},
    },
    clock::SharedClock,
    ids::{BootId, JournalId, RecordId},
};

/// A handle on the journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

/// The record is not durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the audit journal cannot be written")]
pub struct Unwritable(#[source] Arc<io::Error>);

impl Unwritable {
    /// Tells what the operating system said.
    #[must_use]
    pub fn new(source: io::Error) -> Self {
        Self(Arc::new(source))
    }
}

/// The journal could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its first record cannot be written.
    #[error("writing the first audit record")]
    First(#[source] Unwritable),
    /// Its thread cannot be started.
    #[error("starting the audit writer")]
    Thread(#[source] io::Error),
}

/// What the journal's writer is asked to do.
#[derive(Debug)]
pub(in crate::audit) enum Job {
    Append(Draft, oneshot::Sender<Result<(), Unwritable>>),
    Probe(oneshot::Sender<Result<(), Unwritable>>),
}

/// What journal and writer both see.
#[derive(Debug)]
pub(in crate::audit) struct Board {
    pub(in crate::audit) boot: BootId,
    pub(in crate::audit) healthy: AtomicBool,
    unrecorded: Mutex<Option<Unrecorded>>,
}

/// Answers that could have no record of their own.
#[derive(Debug)]
struct Unrecorded {
    id: RecordId,
    counts: BTreeMap<&'static str, u64>,
}

#[derive(Debug)]
struct Shared {
    board: Arc<Board>,
    jobs: mpsc::Sender<Job>,
    _lock: File,
}

impl Journal {
    /// Opens the journal, recovers it where the last run ended badly, and writes its first record.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, is damaged, or cannot be written.
    pub async fn start(
        settings: &Settings,
        policy: &str,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let Opened {
            id,
            head,
            segment,
            cut,
            lock,
        } = recovery::open(&settings.dir)?;
        let board = Arc::new(Board {
            boot: BootId::next(),
            healthy: AtomicBool::new(true),
            unrecorded: Mutex::default(),
        });
        let boot = board.boot;
        let jobs = spawn(settings, id, head, segment, Arc::clone(&board), clock)?;
        let journal = Self(Arc::new(Shared {
            board,
            jobs,
            _lock: lock,
        }));
        journal
            .append(Draft::started(boot, policy))
            .await
            .map_err(StartError::First)?;
        if let Some(cut) = cut {
            journal
                .append(Draft::recovered(boot, cut))
                .await
                .map_err(StartError::First)?;
        }
        Ok(journal)
    }

    /// Hands a record in and waits until it is as durable as the settings ask.
    ///
    /// # Errors
    ///
    /// When it could not be written; its bytes will never count.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take the record back.
    pub async fn append(&self, draft: Draft) -> Result<(), Unwritable> {
        let (done, waiting) = oneshot::channel();
        self.0
            .jobs
            .send(Job::Append(draft, done))
            .map_err(|_| gone())?;
        waiting.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Counts an answer that cannot be recorded, and names the summary record that will stand for it
    /// as soon as the journal can be written again.
    #[must_use]
    pub fn unrecorded(&self, code: &'static str) -> RecordId {
        let mut unrecorded = self.0.board.unrecorded();
        let summary = unrecorded.get_or_insert_with(|| Unrecorded {
            id: RecordId::next(),
            counts: BTreeMap::new(),
        });
        *summary.counts.entry(code).or_default() += 1;
        summary.id
    }

    /// Whether the journal can be written, tried by a real write where the last one failed.
    pub async fn is_writable(&self) -> bool {
        if self.0.board.healthy.load(Ordering::Acquire) {
            return true;
        }
        self.settle().await.is_ok()
    }

    /// Writes the last record of this run and waits until all is on the disk.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    pub async fn stop(&self) -> Result<(), Unwritable> {
        self.append(Draft::stopped(self.boot())).await?;
        self.settle().await
    }

    /// Waits until everything handed in so far is on the disk, whatever the durability.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    pub async fn settle(&self) -> Result<(), Unwritable> {
        let (done, waiting) = oneshot::channel();
        self.0.jobs.send(Job::Probe(done)).map_err(|_| gone())?;
        waiting.await.unwrap_or_else(|_| Err(gone()))
    }

    /// This run of the process.
    #[must_use]
    pub fn boot(&self) -> BootId {
        self.0.board.boot
    }
}

impl Board {
    /// Takes what is waiting for a summary record, as that record.
    pub(in crate::audit) fn take_summary(&self) -> Option<Draft> {
        let Unrecorded { id, counts } = self.unrecorded().take()?;
        let counts = counts
            .into_iter()
            .map(|(code, count)| Count { code, count })
            .collect();
        Some(Draft::summary(id, self.boot, counts))
    }

    fn unrecorded(&self) -> MutexGuard<'_, Option<Unrecorded>> {
        self.unrecorded
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn spawn(
    settings: &Settings,
    id: JournalId,
    head: Head,
    segment: Option<Segment>,
    board: Arc<Board>,
    clock: SharedClock,
) -> Result<mpsc::Sender<Job>, StartError> {
    let (jobs, queue) = mpsc::channel();
    let writer = Writer::new(settings, id, head, segment, board, clock);
    thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || writer::run(writer, &queue))
        .map_err(StartError::Thread)?;
    Ok(jobs)
}

fn gone() -> Unwritable {
    Unwritable::new(io::Error::new(
        io::ErrorKind::BrokenPipe,
        "the audit writer has ended",
    ))
}
