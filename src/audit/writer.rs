//! The one thread that writes the journal.
//!
//! It takes whatever waits, numbers and chains it, writes once, syncs once, and then answers all. The
//! sync in progress is what gathers the next batch; there is no timer. After any error the descriptor
//! is never used again: the next batch begins a new segment, named after the record that follows the
//! last one that is on the disk, and what the old segment holds from there on is void. A full disk is met
//! before anything is written, so nothing is distrusted: only the outcomes that room was set aside for
//! still come.

use std::{io, sync::Arc, thread, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use crate::audit::{
    batch::Batch,
    board::Board,
    pen::{Failed, NoRoom, Pen, Written},
    queue::{Job, Next, Work},
    record::Draft,
    retention::Removal,
    unwritable::Unwritable,
    upkeep::Upkeep,
};

/// The writer's own state.
#[derive(Debug)]
struct Writer {
    pen: Pen,
    board: Arc<Board>,
    upkeep: Upkeep,
    /// Records that nobody waits for any more, and that are to be written all the same.
    owed: Vec<Draft>,
    /// Whether segments may go is to be looked at: at the first record, and at each checkpoint.
    prunes: bool,
}

impl Writer {
    /// Writes a batch and tells everyone who waits for it.
    fn commit(&mut self, mut batch: Batch) {
        let mut room = self.pen.make_room(&batch);
        let looks = (self.prunes || batch.signed) && !batch.frees();
        if looks && matches!(room, Err(NoRoom::Full(_))) {
            // A full journal takes no checkpoint either, and yet its oldest segments may be old enough by now.
            self.prunes = true;
            self.prune();
            room = self.pen.make_room(&batch);
        }
        let is_full = match room {
            Ok(()) => false,
            Err(NoRoom::Full(why)) => {
                let refused = batch.keep_outcomes();
                self.refuse(refused, why);
                true
            }
            Err(NoRoom::Failed(failed)) => return self.fail(batch, failed),
        };
        if is_full && batch.is_empty() {
            return;
        }
        // A journal that failed is proved to be writable by a write.
        let proves = batch.settles && !self.board.is_healthy();
        let (began, records) = (Instant::now(), batch.drafts().count());
        match self.pen.write(&batch, proves) {
            Ok(written) => {
                self.measure(&written, began.elapsed(), records);
                if !is_full && written.is_something() && batch.wants_a_call() {
                    self.board.heals();
                }
                // Before anyone is told, so that whoever was answered finds it.
                written.durable().inspect(|seq| self.board.reached(*seq));
                self.pen.keep(&written, batch.done());
                self.follow(&written);
            }
            Err(failed) => self.fail(batch, failed),
        }
    }

    /// Tells those who watch what a batch took.
    fn measure(&self, written: &Written, took: Duration, records: usize) {
        let vitals = &self.board.vitals;
        if written.is_something() {
            vitals
                .batches
                .note(u64::try_from(records).unwrap_or(u64::MAX));
        }
        if written.durable().is_some() {
            vitals.commits.took(took);
            vitals.synced(self.pen.now());
        }
        vitals.takes(self.pen.extent());
    }

    /// Sees to what has time until everyone is answered.
    fn follow(&mut self, written: &Written) {
        if let Some(checkpoint) = written.checkpoint() {
            self.upkeep.vouch(checkpoint);
            self.board.signed(checkpoint);
            self.prunes = true;
            self.look_at_the_disk();
        }
        if written.is_full
            && let Err(failed) = self.pen.change_segments()
        {
            self.fail(Batch::default(), failed);
        }
    }

    /// Removes segments that are old enough, once it is on the disk that they will be.
    fn prune(&mut self) {
        if !std::mem::take(&mut self.prunes) {
            return;
        }
        let (now, current) = (self.pen.now(), self.pen.current());
        let Some(removal) = current.and_then(|current| self.upkeep.removable(now, current)) else {
            return;
        };
        if self.upkeep.is_told(&removal) || self.tell(&removal) {
            self.pen.removed(self.upkeep.remove(&removal));
        }
        // A checkpoint behind the record of it is no reason to look again.
        self.prunes = false;
    }

    /// Has it on the disk that segments will be removed.
    fn tell(&mut self, removal: &Removal) -> bool {
        let Removal {
            upto,
            head,
            checkpoint,
            ..
        } = *removal;
        let pruned = Draft::pruned(self.board.boot, upto, head, checkpoint);
        let (done, mut told) = oneshot::channel();
        let jobs = vec![Job::Append(pruned, done)];
        self.commit(Batch::of(Vec::new(), jobs));
        matches!(told.try_recv(), Ok(Ok(())))
    }

    /// What the writer owes by now. Those that wait are written before more are taken, so that no pile
    /// grows on a full disk.
    fn take_owed(&mut self) -> Vec<Draft> {
        if self.owed.is_empty() {
            self.owed = self.board.tally.take_due(self.board.boot);
        }
        std::mem::take(&mut self.owed)
    }

    /// Syncs relaxed writes when their time has come.
    fn flush(&mut self) {
        match self.pen.flush() {
            Ok(seq) => {
                self.board.vitals.synced(self.pen.now());
                self.board.reached(seq);
            }
            Err(failed) => self.fail(Batch::default(), failed),
        }
    }

    fn look_at_the_disk(&self) {
        let left = self.pen.disk_left();
        left.inspect(|left| self.board.vitals.disk_has_left(*left));
    }

    /// Tells everyone that their records are not written, because the disk failed.
    fn fail(&mut self, batch: Batch, Failed { why, lost }: Failed) {
        self.owed.extend(lost);
        self.refuse(batch, why);
    }

    /// Tells everyone that their records are not written. Those that nobody waits for stay owed.
    fn refuse(&mut self, batch: Batch, why: io::Error) {
        self.board.ails(&why);
        self.owed.extend(batch.refused(&Unwritable::new(why)));
    }
}

/// Has a thread of its own serve the jobs that are handed in.
pub(in crate::audit) fn spawn(
    pen: Pen,
    upkeep: Upkeep,
    board: Arc<Board>,
    work: Work,
) -> io::Result<()> {
    let writer = Writer {
        pen,
        board,
        upkeep,
        owed: Vec::new(),
        prunes: true,
    };
    let thread = thread::Builder::new().name("audit".to_owned());
    thread.spawn(move || run(writer, &work))?;
    Ok(())
}

/// Serves jobs until the last handle is gone.
fn run(mut writer: Writer, work: &Work) {
    writer.look_at_the_disk();
    writer.board.vitals.takes(writer.pen.extent());
    loop {
        match work.next(BATCH, writer.pen.flush_is_due_in()) {
            Next::Jobs(jobs) => {
                let owed = writer.take_owed();
                writer.commit(Batch::of(owed, jobs));
                writer.prune();
            }
            Next::Due => writer.flush(),
            Next::End => return writer.flush(),
        }
    }
}

/// Bounds how long the first of a batch waits for the last.
const BATCH: usize = 512;
