//! The journal as the other rooms see it: hand in a record, wait until it is durable.
//!
//! One thread of its own writes; many callers wait for the same sync. When the journal cannot be
//! written every hand-in fails at once, and each later one tries anew, so it heals when the disk does.

mod reach;
mod sealing;

use std::{
    fs::File,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::{sync::oneshot, time::Instant};

use crate::{
    audit::{
        Settings,
        board::Board,
        chain::Head,
        checkpoint,
        encoder::Encoder,
        orphans::Orphan,
        pen::Pen,
        queue::{self, Job, Queue, Waiting},
        record::{Draft, Purpose},
        recovery::Opened,
        room::Room,
        segment,
        signing::SigningKey,
        start_error::StartError,
        summary::{Counted, WINDOW, WindowId},
        unwritable::{Broken, Unwritable},
        upkeep::Upkeep,
        writer,
    },
    clock::SharedClock,
    ids::{JournalId, RecordId},
};

/// A handle on the journal.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    id: JournalId,
    found: Head,
    board: Arc<Board>,
    queue: Queue,
    orphans: Mutex<Vec<Orphan>>,
    /// Whether the last checkpoint of this run was asked for.
    sealed: Mutex<bool>,
    _lock: File,
}

impl Journal {
    /// Goes on with a journal that was opened in the directory of the settings, and writes the first record of this
    /// run, at once or as soon as it can be written.
    ///
    /// # Errors
    ///
    /// When its key cannot be had, or its segments cannot be read.
    pub async fn start(
        opened: Opened,
        settings: &Settings,
        policy: &str,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let Opened {
            id,
            head,
            signed_with,
            segment,
            recovered,
            orphans,
            forked_from,
            lock,
        } = opened;
        let key = SigningKey::obtain(settings, &head)?;
        key.succeeds(signed_with.as_deref());
        let board = Arc::new(Board::of(settings));
        // What was read at start was on the disk.
        board.reached(head.seq());
        let boot = board.boot;
        let encoder = Encoder {
            journal: id,
            boot,
            key,
        };
        let elsewhere = segment::bytes_elsewhere(&settings.dir, segment.as_ref());
        let elsewhere = elsewhere.map_err(StartError::Read)?;
        let upkeep = Upkeep::of(settings, clock.now()).map_err(StartError::Read)?;
        let room = Room::new(
            settings.max_bytes,
            elsewhere,
            orphans.iter().filter_map(Orphan::call).collect(),
        );
        let seen = Arc::clone(&board);
        let pen = Pen::new(settings, encoder, (head, segment), room, clock);
        let (queue, work) = Queue::open().map_err(StartError::Thread)?;
        writer::spawn(pen, upkeep, seen, work).map_err(StartError::Thread)?;
        let journal = Self(Arc::new(Shared {
            id,
            found: head,
            board,
            queue,
            orphans: Mutex::new(orphans),
            sealed: Mutex::new(false),
            _lock: lock,
        }));
        let recovered = recovered.into_iter().map(|it| Draft::recovered(boot, &it));
        let started = Draft::started(boot, policy, forked_from.as_ref());
        for first in std::iter::once(started).chain(recovered) {
            // A journal that cannot be written now may be, later; until then every call is refused.
            if journal.append(first.clone()).await.is_err() {
                journal.owe(first);
            }
        }
        checkpoint::write_in_time(settings.checkpoint_interval, journal.if_open());
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
        let (began, purpose) = (Instant::now(), draft.purpose);
        self.ask(|done| Job::Append(draft, done)).await?;
        let vitals = &self.0.board.vitals;
        match purpose {
            Purpose::Opens(_) => vitals.intents.took(began.elapsed()),
            Purpose::Closes(_) => vitals.outcomes.took(began.elapsed()),
            Purpose::Frees | Purpose::Tells => {}
        }
        Ok(())
    }

    /// Hands an intent in and waits until it is as durable as the settings ask, or the disk hangs.
    ///
    /// # Errors
    ///
    /// When it could not be written. Where the disk hangs with the intent in its hands nobody knows what
    /// will become of it.
    pub async fn promise(&self, intent: Draft) -> Result<(), Broken> {
        tokio::select! {
            biased;
            written = self.append(intent) => written.map_err(Broken::Never),
            () = self.0.queue.stalled() => Err(Broken::Perhaps(queue::hangs())),
        }
    }

    /// Counts an answer to a caller that is not known where such answers come faster than they may be
    /// recorded, and names the summary record that will stand for it. Within the rate there is nothing
    /// to name: the answer is to have a record of its own.
    #[must_use]
    pub fn sum_up(&self, code: &'static str, from: IpAddr) -> Option<RecordId> {
        let counted = self.0.board.tally.count_excess(code, from)?;
        Some(self.named(counted))
    }

    /// Counts an answer that cannot be recorded, and names the summary record that will stand for it
    /// as soon as the journal can be written again.
    #[must_use]
    pub fn unrecorded(&self, code: &'static str, from: IpAddr) -> RecordId {
        self.named(self.0.board.tally.count_unwritten(code, from))
    }

    /// Has a record written that could not be, as soon as the journal can be written again.
    pub fn owe(&self, draft: Draft) {
        if self.0.board.tally.owe(draft) {
            write_in_time(Arc::downgrade(&self.0), None);
        }
    }

    /// Counts bytes that never became a request, by their class.
    pub fn stray(&self, class: &'static str, from: IpAddr) {
        self.named(self.0.board.tally.count(class, from));
    }

    /// Whether the journal can be written, tried by a real write where the last one failed.
    pub async fn is_writable(&self) -> bool {
        if self.0.queue.is_closed() {
            return false;
        }
        let tried = async { self.0.board.is_healthy() || self.settle().await.is_ok() };
        // A disk that hangs has not failed, and may never answer whoever tries.
        tokio::select! {
            biased;
            () = self.0.queue.stalled() => false,
            writable = tried => writable,
        }
    }

    /// Writes the last record of this run, has it signed, and waits until all is on the disk.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    pub async fn stop(&self) -> Result<(), Unwritable> {
        self.close().await?;
        self.append(Draft::stopped(self.boot())).await?;
        self.seal().await?;
        // Whoever opens the journal next must not meet the writer in what it does after it has answered.
        drop(self.settle().await);
        Ok(())
    }

    /// Writes what has been summed up so far and waits until all is on the disk.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    pub async fn close(&self) -> Result<(), Unwritable> {
        self.0.board.tally.close_any();
        self.flush().await
    }

    /// Waits until everything handed in so far and whatever is due is on the disk.
    async fn flush(&self) -> Result<(), Unwritable> {
        self.settle().await?;
        // Summaries that a full disk had held back were written first.
        while self.0.board.tally.is_due() {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits until everything handed in so far is on the disk, whatever the durability.
    ///
    /// # Errors
    ///
    /// When it could not be written.
    pub async fn settle(&self) -> Result<(), Unwritable> {
        self.ask(Job::Probe).await
    }

    async fn ask(&self, job: impl FnOnce(Waiting) -> Job) -> Result<(), Unwritable> {
        let (done, waiting) = oneshot::channel();
        self.0.queue.push(job(done))?;
        waiting.await.unwrap_or_else(|_| Err(queue::gone()))
    }

    /// Takes the intents that earlier runs left without an outcome, to be closed each once.
    #[must_use]
    pub fn take_orphans(&self) -> Vec<Orphan> {
        let orphans = self.0.orphans.lock();
        std::mem::take(&mut *orphans.unwrap_or_else(PoisonError::into_inner))
    }

    /// Sees to the end of a window that was opened.
    fn named(&self, counted: Counted) -> RecordId {
        if counted.opened.is_some() {
            write_in_time(Arc::downgrade(&self.0), counted.opened);
        }
        counted.record
    }
}

/// Has a window's summary, and what is owed, written when its time is over, or as soon after as the disk
/// allows.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever stops the journal writes the summary, so no drain has to wait for its time"
)]
fn write_in_time(journal: Weak<Shared>, window: Option<WindowId>) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(WINDOW).await;
            let Some(journal) = journal.upgrade().map(Journal) else {
                return;
            };
            window.inspect(|window| journal.0.board.tally.close(*window));
            if journal.flush().await.is_ok() {
                return;
            }
        }
    });
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}
