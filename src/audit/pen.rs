//! What the writer writes with: a segment that it trusts, and the room in it.

use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use tracing::{info, warn};

use crate::{
    audit::{
        Durability, Settings,
        batch::Batch,
        chain::Head,
        durable,
        encoder::{Encoder, Lines},
        record::Draft,
        room::{Lack, Room, is_full},
        segment::{Bounds, Segment},
        unsynced::Unsynced,
        vitals::Extent,
    },
    clock::SharedClock,
};

/// The end of the journal, open to be written to.
#[derive(Debug)]
pub(in crate::audit) struct Pen {
    dir: PathBuf,
    durability: Durability,
    bounds: Bounds,
    clock: SharedClock,
    encoder: Encoder,
    room: Room,
    /// The end of what was answered for.
    head: Head,
    /// Absent at first, and after any error.
    segment: Option<Segment>,
    unsynced: Unsynced,
    /// The record from which on a segment that is full is to be followed by another.
    next_segment_from: u64,
}

/// What a batch put into the segment.
#[derive(Debug)]
pub(in crate::audit) struct Written {
    lines: Lines,
    is_synced: bool,
    /// The segment is to be followed by another.
    pub(in crate::audit) is_full: bool,
}

/// The disk failed, and the segment is not used again.
#[derive(Debug)]
pub(in crate::audit) struct Failed {
    /// What the operating system said.
    pub(in crate::audit) why: io::Error,
    /// Records that were answered for and are not on the disk.
    pub(in crate::audit) lost: Vec<Draft>,
}

impl Pen {
    /// A pen that goes on from a head in a segment, where there is one.
    pub(in crate::audit) fn new(
        settings: &Settings,
        encoder: Encoder,
        (head, segment): (Head, Option<Segment>),
        room: Room,
        clock: SharedClock,
    ) -> Self {
        Self {
            dir: settings.dir.clone(),
            durability: settings.durability,
            bounds: settings.segment,
            clock,
            encoder,
            room,
            head,
            segment,
            unsynced: Unsynced::behind(head),
            next_segment_from: 0,
        }
    }

    /// Sees to a segment that has room for a batch.
    pub(in crate::audit) fn make_room(&mut self, batch: &Batch) -> Result<(), NoRoom> {
        let mut segment = match self.segment.take() {
            Some(segment) => segment,
            None => match self.next_segment() {
                Ok(segment) => segment,
                Err(why) if is_full(&why) => return Err(NoRoom::Full(why)),
                Err(why) => return Err(NoRoom::Failed(self.failed(None, why))),
            },
        };
        match self.room.set_aside(&mut segment, batch.wish()) {
            Ok(()) => {
                self.segment = Some(segment);
                Ok(())
            }
            Err(Lack::Full(why)) => {
                self.segment = Some(segment);
                Err(NoRoom::Full(why))
            }
            Err(Lack::Failed(why)) => Err(NoRoom::Failed(self.failed(Some(segment), why))),
        }
    }

    fn next_segment(&self) -> io::Result<Segment> {
        let first = self.head.seq().saturating_add(1);
        Segment::create(&self.dir, first, self.room.reserve(0))
    }

    /// Writes a batch that room was made for. One that writes nothing is signed where something is to be
    /// proved.
    pub(in crate::audit) fn write(
        &mut self,
        batch: &Batch,
        proves: bool,
    ) -> Result<Written, Failed> {
        let Some(mut segment) = self.segment.take() else {
            return Err(self.failed(None, io::ErrorKind::StorageFull.into()));
        };
        let time = self.clock.now();
        let mut lines = self.encoder.lines(batch.drafts(), self.head, time);
        let is_full = self.is_full(&segment, batch, &lines, time);
        if batch.signed || is_full || (proves && lines.bytes.is_empty()) {
            self.encoder.sign(&mut lines, time);
        }
        let is_new = segment.bytes() == 0 && !lines.bytes.is_empty();
        let is_synced = batch.settles || is_full || self.flush_is_due();
        let put = segment
            .write(&lines.bytes, time)
            .and_then(|()| if is_synced { segment.sync() } else { Ok(()) })
            .and_then(|()| segment.in_place());
        if let Err(why) = put {
            return Err(self.failed(Some(segment), why));
        }
        if let (true, Some(first @ 2..)) = (is_new, segment.first()) {
            info!(audit.seq = first, "audit journal goes on in a new segment");
        }
        self.segment = Some(segment);
        self.head = lines.head;
        for draft in batch.drafts() {
            self.room.wrote(draft.purpose);
        }
        Ok(Written {
            lines,
            is_synced,
            is_full,
        })
    }

    /// Whether a batch is the last of its segment. One that waits for the disk alone leaves a segment as
    /// it is, or it would leave one empty file after another.
    fn is_full(&self, segment: &Segment, batch: &Batch, lines: &Lines, time: SystemTime) -> bool {
        let writes = batch.signed || !lines.bytes.is_empty();
        writes
            && lines.head.seq() >= self.next_segment_from
            && segment.is_full_with(lines.bytes.len(), time, self.bounds)
    }

    /// Keeps what was written and is not on the disk yet.
    pub(in crate::audit) fn keep(&mut self, written: &Written, drafts: Vec<Draft>) {
        if written.is_synced {
            self.unsynced.end_at(self.head);
        } else {
            self.unsynced.keep(drafts);
        }
    }

    /// Goes on in another segment. Where there is no room for it, the old one has to do.
    pub(in crate::audit) fn change_segments(&mut self) -> Result<(), Failed> {
        match self.next_segment() {
            Ok(next) => {
                if let Some(full) = self.segment.replace(next) {
                    self.room.left(&full);
                    give_back(&full);
                }
                Ok(())
            }
            Err(why) if is_full(&why) => {
                warn!(error = %why, "no room for a new segment of the audit journal");
                self.next_segment_from = self.head.seq().saturating_add(TRIED_AGAIN_AFTER);
                Ok(())
            }
            Err(why) => {
                let full = self.segment.take();
                Err(self.failed(full, why))
            }
        }
    }

    /// Has everything written on the disk, and returns the last record that is.
    pub(in crate::audit) fn flush(&mut self) -> Result<u64, Failed> {
        if let Some(segment) = self.segment.take() {
            if let Err(why) = segment.sync().and_then(|()| segment.in_place()) {
                return Err(self.failed(Some(segment), why));
            }
            self.segment = Some(segment);
            self.unsynced.end_at(self.head);
        }
        Ok(self.unsynced.synced().seq())
    }

    /// The record that the segment that is written to is named after.
    pub(in crate::audit) fn current(&self) -> Option<u64> {
        self.segment.as_ref().and_then(Segment::first)
    }

    /// How much the journal takes.
    pub(in crate::audit) fn extent(&self) -> Extent {
        self.room.extent(self.segment.as_ref())
    }

    /// How much room the disk has left, in bytes, where it says so.
    pub(in crate::audit) fn disk_left(&self) -> Option<u64> {
        durable::room_left(&self.dir).ok()
    }

    /// What time it is.
    pub(in crate::audit) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Takes note that older segments are gone.
    pub(in crate::audit) fn removed(&mut self, bytes: u64) {
        self.room.removed(bytes);
    }

    /// How long what was written may still wait for the disk.
    pub(in crate::audit) fn flush_is_due_in(&self) -> Option<Duration> {
        match self.durability {
            Durability::Relaxed { flush_interval } => {
                let waited = self.unsynced.waited()?;
                Some(flush_interval.saturating_sub(waited))
            }
            Durability::Strict => None,
        }
    }

    /// Whether what is written has to be on the disk at once.
    fn flush_is_due(&self) -> bool {
        self.durability == Durability::Strict || self.flush_is_due_in() == Some(Duration::ZERO)
    }

    /// Never writes to a segment again. What was answered for and is not on the disk has to be written
    /// anew.
    fn failed(&mut self, segment: Option<Segment>, why: io::Error) -> Failed {
        segment.inspect(|segment| {
            self.room.left(segment);
            give_back(segment);
        });
        self.head = self.unsynced.synced();
        let lost = self.unsynced.lose();
        for draft in lost.iter().rev() {
            self.room.lost(draft.purpose);
        }
        Failed { why, lost }
    }
}

/// There is no room for a batch.
#[derive(Debug)]
pub(in crate::audit) enum NoRoom {
    /// The disk is full, or the journal as large as it may be; nothing was written.
    Full(io::Error),
    /// The disk failed.
    Failed(Failed),
}

impl Written {
    /// The last record that is on the disk with it, if it is.
    pub(in crate::audit) fn durable(&self) -> Option<u64> {
        self.is_synced.then(|| self.lines.head.seq())
    }

    /// Whether anything was.
    pub(in crate::audit) fn is_something(&self) -> bool {
        !self.lines.bytes.is_empty()
    }

    /// The checkpoint that is on the disk with it, if one is.
    pub(in crate::audit) fn checkpoint(&self) -> Option<&[u8]> {
        self.lines.checkpoint.as_deref().filter(|_| self.is_synced)
    }
}

/// Gives back the room that a segment did not need.
fn give_back(segment: &Segment) {
    if let Err(error) = segment.give_back() {
        warn!(error = %error, "room set aside for the audit journal not given back");
    }
}

/// In records: a disk that is full has no room for another segment at once.
const TRIED_AGAIN_AFTER: u64 = 1000;
