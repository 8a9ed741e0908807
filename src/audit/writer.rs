//! The one thread that writes the journal.
//!
//! It takes whatever waits, numbers and chains it, writes once, syncs once, and then answers all. The
//! sync in progress is what gathers the next batch; there is no timer. After any error the descriptor
//! is never used again: the next batch begins a new segment, named after the record that follows the
//! last acknowledged one, and what the old segment holds from there on is void. A segment that is large
//! or old enough ends with a checkpoint, and the next batch begins a new one, too.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::{sync::oneshot, time::Instant};
use tracing::{error, info};

use crate::{
    audit::{
        Durability, Settings,
        chain::Head,
        checkpoint,
        journal::{Board, Job, Unwritable},
        record::Draft,
        segment::{Bounds, Segment},
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
    bounds: Bounds,
    journal: JournalId,
    board: Arc<Board>,
    clock: SharedClock,
    /// The end of what was acknowledged.
    head: Head,
    /// Absent at first, after any error, and after one is closed.
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
            bounds: settings.segment,
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
        // Those that wait are written before more are taken, so that no pile grows on a full disk.
        if self.summaries.is_empty() {
            self.summaries = self.board.tally.take_due(self.board.boot);
        }
        let is_new = self.segment.is_none();
        let mut segment = match self.segment.take() {
            Some(segment) => segment,
            None => Segment::create(&self.dir, self.head.seq().saturating_add(1))?,
        };
        let time = self.clock.now();
        let (mut lines, mut head) = self.encode(batch, time);
        // A probe leaves a segment as it is, or it would leave one empty file after another.
        let asked = batch.signed || !lines.is_empty();
        let closes = asked && segment.is_full_with(lines.len(), time, self.bounds);
        if batch.signed || closes {
            head = self.sign(head, time, &mut lines);
        }
        segment.write(&lines, time)?;
        self.sync(&segment, batch.probed || closes)?;
        if is_new && self.head.seq() > 0 {
            info!(
                audit.seq = self.head.seq(),
                "audit journal goes on in a new segment"
            );
        }
        self.segment = (!closes).then_some(segment);
        self.head = head;
        self.summaries.clear();
        Ok(if lines.is_empty() {
            Wrote::Nothing
        } else {
            Wrote::Records
        })
    }

    /// Syncs what was written, or remembers since when it is not.
    fn sync(&mut self, segment: &Segment, at_once: bool) -> io::Result<()> {
        match self.durability {
            Durability::Relaxed { .. } if !at_once => {
                self.unsynced_since.get_or_insert_with(Instant::now);
                Ok(())
            }
            Durability::Relaxed { .. } | Durability::Strict => segment.sync(),
        }
    }

    /// Numbers and chains the summaries that are due and the drafts, from the last acknowledged record on.
    fn encode(&self, batch: &Batch, time: SystemTime) -> (Vec<u8>, Head) {
        let mut lines = Vec::with_capacity(batch.drafts.len().saturating_mul(TYPICAL_LINE_BYTES));
        let mut head = self.head;
        for draft in self.summaries.iter().chain(&batch.drafts) {
            let line = self.line(draft, &head, time);
            head = head.then(&line);
            put(&line, &mut lines);
        }
        (lines, head)
    }

    /// Adds a checkpoint over everything before.
    fn sign(&self, over: Head, time: SystemTime, lines: &mut Vec<u8>) -> Head {
        let signature = self
            .key
            .sign(checkpoint::over(self.journal, &over).as_bytes());
        let draft = Draft::checkpoint(self.board.boot, &over, self.key.id(), &signature);
        let line = self.line(&draft, &over, time);
        put(&line, lines);
        over.then_checkpoint(&line)
    }

    fn line(&self, draft: &Draft, after: &Head, time: SystemTime) -> Vec<u8> {
        let seq = after.seq().saturating_add(1);
        draft.line(self.journal, seq, time, after.hash())
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

fn put(line: &[u8], lines: &mut Vec<u8>) {
    lines.extend_from_slice(line);
    lines.push(b'\n');
}

/// Has a thread of its own serve the jobs that are sent.
pub(in crate::audit) fn spawn(writer: Writer) -> io::Result<Sender<Job>> {
    let (jobs, queue) = mpsc::channel();
    thread::Builder::new()
        .name("audit".to_owned())
        .spawn(move || run(writer, &queue))?;
    Ok(jobs)
}

/// Serves jobs until the last handle is gone.
fn run(mut writer: Writer, queue: &Receiver<Job>) {
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
