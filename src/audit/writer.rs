//! The one thread that writes the journal.
//!
//! It takes whatever waits, numbers and chains it, writes once, syncs once, and then answers all. The
//! sync in progress is what gathers the next batch; there is no timer. After any error the descriptor
//! is never used again: the next batch begins a new segment, named after the record that follows the
//! last acknowledged one, and what the old segment holds from there on is void.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};
use tracing::{error, info};

use crate::{
    audit::{
        Durability, Settings,
        chain::Head,
        checkpoint::statement,
        journal::{Board, Job, Unwritable},
        record::Draft,
        segment::Segment,
        signing::SigningKey,
    },
    clock::SharedClock,
    ids::JournalId,
};

/// The writer's own state.
#[derive(Debug)]
pub(in crate::audit) struct Writer {
    dir: PathBuf,
    durability: Durability,
    journal: JournalId,
    board: Arc<Board>,
    clock: SharedClock,
    /// The end of what was acknowledged.
    head: Head,
    /// Absent at first and after any error.
    segment: Option<Segment>,
    key: SigningKey,
    /// Summaries that could not be written yet.
    summaries: Vec<Draft>,
    /// When relaxed writes were first left unsynced.
    unsynced_since: Option<Instant>,
}

/// What waits to be written at once.
#[derive(Debug, Default)]
struct Batch {
    drafts: Vec<Draft>,
    waiting: Vec<Waiting>,
    /// Somebody waits for the disk, whatever the durability.
    probed: bool,
    /// A checkpoint is to be the last line.
    signed: bool,
}

/// What a batch put on the disk.
#[derive(Clone, Copy, Debug)]
enum Wrote {
    Nothing,
    Records,
}

type Waiting = oneshot::Sender<Result<(), Unwritable>>;

impl Batch {
    fn take(&mut self, job: Job) {
        let done = match job {
            Job::Append(draft, done) => {
                self.drafts.push(draft);
                done
            }
            Job::Probe(done) => {
                self.probed = true;
                done
            }
            Job::Sign(done) => {
                // What has been signed is not to be missed after a power cut.
                self.probed = true;
                self.signed = true;
                done
            }
        };
        self.waiting.push(done);
    }
}

impl Writer {
    pub(in crate::audit) fn new(
        settings: &Settings,
        journal: JournalId,
        head: Head,
        segment: Option<Segment>,
        key: SigningKey,
        board: Arc<Board>,
        clock: SharedClock,
    ) -> Self {
        Self {
            dir: settings.dir.clone(),
            durability: settings.durability,
            journal,
            board,
            clock,
            head,
            segment,
            key,
            summaries: Vec::new(),
            unsynced_since: None,
        }
    }

    /// Writes a batch and tells everyone who waits for it.
    fn commit(&mut self, batch: Batch) {
        let written = self.write(&batch);
        match written {
            // An empty segment takes no room, so it says nothing about a disk that was full.
            Ok(Wrote::Nothing) => {}
            Ok(Wrote::Records) => self.board.healthy.store(true, Ordering::Release),
            Err(_) => self.board.healthy.store(false, Ordering::Release),
        }
        let told = written.map(drop).map_err(|error| {
            error!(error = %error, "audit journal not writable");
            Unwritable::new(error)
        });
        for waiting in batch.waiting {
            // Whoever stopped waiting does not need to be told.
            drop(waiting.send(told.clone()));
        }
    }

    fn write(&mut self, batch: &Batch) -> io::Result<Wrote> {
        let before = self.head.seq();
        let healing = self.segment.is_none();
        // Those that wait are written before more are taken, so that no pile grows on a full disk.
        if self.summaries.is_empty() {
            self.summaries = self.board.tally.take_due(self.board.boot);
        }
        let mut segment = match self.segment.take() {
            Some(segment) => segment,
            None => Segment::create(&self.dir, self.head.seq().saturating_add(1))?,
        };
        let (lines, head) = self.encode(batch);
        segment.write(&lines)?;
        match self.durability {
            Durability::Strict => segment.sync()?,
            Durability::Relaxed { .. } if batch.probed => segment.sync()?,
            Durability::Relaxed { .. } => {
                self.unsynced_since.get_or_insert_with(Instant::now);
            }
        }
        self.segment = Some(segment);
        self.head = head;
        self.summaries.clear();
        if healing && before > 0 {
            info!(audit.seq = before, "audit journal goes on in a new segment");
        }
        Ok(if lines.is_empty() {
            Wrote::Nothing
        } else {
            Wrote::Records
        })
    }

    /// Numbers and chains the summaries that are due, the drafts, and the checkpoint where one is asked
    /// for, from the last acknowledged record on.
    fn encode(&self, batch: &Batch) -> (Vec<u8>, Head) {
        let time = self.clock.now();
        let line = |draft: &Draft, head: &Head| {
            let seq = head.seq().saturating_add(1);
            draft.line(self.journal, seq, time, head.hash())
        };
        let mut lines = Vec::with_capacity(batch.drafts.len().saturating_mul(TYPICAL_LINE_BYTES));
        let mut head = self.head;
        for draft in self.summaries.iter().chain(&batch.drafts) {
            let line = line(draft, &head);
            head = head.then(&line);
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        if batch.signed {
            let line = line(&self.checkpoint(&head), &head);
            head = head.then_checkpoint(&line);
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        }
        (lines, head)
    }

    fn checkpoint(&self, over: &Head) -> Draft {
        let signature = self.key.sign(statement(self.journal, over).as_bytes());
        Draft::checkpoint(self.board.boot, over, self.key.id(), &signature)
    }

    /// Syncs relaxed writes when their time has come.
    fn flush(&mut self) {
        self.unsynced_since = None;
        let synced = self.segment.as_ref().map_or(Ok(()), Segment::sync);
        if let Err(error) = synced {
            error!(error = %error, "audit journal not writable");
            self.segment = None;
            self.board.healthy.store(false, Ordering::Release);
        }
    }

    fn flush_is_due_in(&self) -> Option<Duration> {
        match (self.durability, self.unsynced_since) {
            (Durability::Relaxed { flush_interval }, Some(since)) => {
                Some(flush_interval.saturating_sub(since.elapsed()))
            }
            _ => None,
        }
    }
}

/// Serves jobs until the last handle is gone.
pub(in crate::audit) fn run(mut writer: Writer, queue: &Receiver<Job>) {
    loop {
        let first = match writer.flush_is_due_in() {
            Some(Duration::ZERO) => {
                writer.flush();
                continue;
            }
            Some(wait) => match queue.recv_timeout(wait) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout) => {
                    writer.flush();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => return writer.flush(),
            },
            None => match queue.recv() {
                Ok(job) => job,
                Err(_) => return,
            },
        };
        let mut batch = Batch::default();
        for job in std::iter::once(first).chain(queue.try_iter().take(BATCH - 1)) {
            batch.take(job);
        }
        writer.commit(batch);
    }
}

/// Bounds how long the first of a batch waits for the last.
const BATCH: usize = 512;

/// Most records are between 700 and 1100 bytes.
const TYPICAL_LINE_BYTES: usize = 1024;
