//! Room on the disk: what is promised to calls under way is set aside before they are let in.
//!
//! A call that has an intent will have an outcome. Room for that outcome is allocated together with the
//! intent, so a full disk meets new calls and never those under way. `audit.max_bytes` acts like a full
//! disk.

use std::{collections::HashSet, io};

use crate::{
    audit::{
        record::{LONGEST_BYTES, Purpose},
        segment::Segment,
        vitals::Extent,
    },
    ids::CallId,
};

/// How much may be written, and how much of it is spoken for.
#[derive(Debug)]
pub(in crate::audit) struct Room {
    /// What the whole journal may take.
    most: u64,
    /// What it takes beside the segment that is written to.
    elsewhere: u64,
    /// The calls that have an intent and no outcome.
    open: HashSet<CallId>,
}

/// What a batch wants to write.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::audit) struct Wish {
    bytes: u64,
    opening: u64,
}

/// There is no room.
#[derive(Debug)]
pub(in crate::audit) enum Lack {
    /// The disk is full, or the journal as large as it may be; nothing was written.
    Full(io::Error),
    /// The disk failed.
    Failed(io::Error),
}

impl Wish {
    /// Adds a record to what is wished for.
    pub(in crate::audit) fn with(self, bytes: u64, purpose: Purpose) -> Self {
        Self {
            bytes: self.bytes.saturating_add(bytes),
            opening: self
                .opening
                .saturating_add(u64::from(matches!(purpose, Purpose::Opens(_)))),
        }
    }
}

impl Room {
    pub(in crate::audit) fn new(most: u64, elsewhere: u64, open: HashSet<CallId>) -> Self {
        Self {
            most,
            elsewhere,
            open,
        }
    }

    /// Sets aside what a batch wants to write, and the outcomes of all calls that are then open.
    pub(in crate::audit) fn set_aside(
        &self,
        segment: &mut Segment,
        wish: Wish,
    ) -> Result<(), Lack> {
        let least = wish
            .bytes
            .saturating_add(self.reserve(wish.opening))
            .saturating_add(segment.bytes());
        if self.elsewhere.saturating_add(least) > self.most {
            let full = "the journal is as large as audit.max_bytes lets it be";
            return Err(Lack::Full(io::Error::new(io::ErrorKind::StorageFull, full)));
        }
        if segment.holds(least) {
            return Ok(());
        }
        match segment.allocate(least.saturating_add(AHEAD)) {
            Err(error) if is_full(&error) => segment.allocate(least).map_err(Lack::of),
            allocated => allocated.map_err(Lack::of),
        }
    }

    /// What the outcomes of all open calls will take, and the checkpoints between them; and the record that
    /// room is about to be made.
    pub(in crate::audit) fn reserve(&self, opening: u64) -> u64 {
        let open = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let open = open.saturating_add(opening);
        open.saturating_mul(LONGEST_BYTES).saturating_add(SIGNED)
    }

    /// How much the journal takes with the segment that is written to, where there is one.
    pub(in crate::audit) fn extent(&self, segment: Option<&Segment>) -> Extent {
        let here = segment.map_or(0, Segment::bytes);
        Extent {
            bytes: self.elsewhere.saturating_add(here),
            most: self.most,
            open: u64::try_from(self.open.len()).unwrap_or(u64::MAX),
        }
    }

    /// Takes note of a record that was written.
    pub(in crate::audit) fn wrote(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Opens(call) => drop(self.open.insert(call)),
            Purpose::Closes(call) => drop(self.open.remove(&call)),
            Purpose::Frees | Purpose::Tells => {}
        }
    }

    /// Takes note of a record that was not written after all; the last one first.
    pub(in crate::audit) fn lost(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Opens(call) => self.wrote(Purpose::Closes(call)),
            Purpose::Closes(call) => self.wrote(Purpose::Opens(call)),
            Purpose::Frees | Purpose::Tells => {}
        }
    }

    /// Takes note of a segment that is not written to any more.
    pub(in crate::audit) fn left(&mut self, segment: &Segment) {
        self.elsewhere = self.elsewhere.saturating_add(segment.bytes());
    }

    /// Takes note of segments that were removed.
    pub(in crate::audit) fn removed(&mut self, bytes: u64) {
        self.elsewhere = self.elsewhere.saturating_sub(bytes);
    }
}

impl Lack {
    fn of(error: io::Error) -> Self {
        if is_full(&error) {
            Self::Full(error)
        } else {
            Self::Failed(error)
        }
    }
}

/// Whether the disk said that it is full, rather than that it failed.
pub(in crate::audit) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// In bytes: allocated at once, so that few batches have to ask for more.
const AHEAD: u64 = 1 << 20;

/// In bytes: more than two checkpoints and a `pruned` record take.
const SIGNED: u64 = 4 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_no_room_for_calls_that_were_lost_and_written_anew_or_never_begun() {
        let mut room = Room::new(u64::MAX, 0, HashSet::new());
        let nothing = room.reserve(0);
        let call = CallId::next();
        let records = [Purpose::Opens(call), Purpose::Closes(call)];

        for record in records {
            room.wrote(record);
        }
        for record in records.into_iter().rev() {
            room.lost(record);
        }
        let lost = room.reserve(0);
        for record in records {
            room.wrote(record);
        }
        room.wrote(Purpose::Opens(CallId::next()));
        let one = room.reserve(0);
        room.wrote(Purpose::Closes(CallId::next()));

        assert_eq!(lost, nothing);
        assert_eq!(one, nothing + LONGEST_BYTES);
        assert_eq!(room.reserve(0), one);
    }
}
