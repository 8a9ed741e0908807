//! Where a journal must begin and how far it must reach, by what lies beside it and what retention told.

use crate::audit::{
    beginning::Beginning,
    chain::{Head, LineHash},
    link::Link,
    low_water::LowWater,
    verify::{findings::Fault, lines::Spot},
};

/// Both ends of a journal while it is read.
#[derive(Debug)]
pub(in crate::audit::verify) struct Marks<'a> {
    low_water: &'a LowWater,
    first: u64,
    beginning: Beginning,
}

impl<'a> Marks<'a> {
    pub(in crate::audit::verify) fn new(low_water: &'a LowWater, first: Option<u64>) -> Self {
        let first = first.unwrap_or(1);
        Self {
            low_water,
            first,
            beginning: Beginning::at(first),
        }
    }

    /// Notes the record that the first one names before it.
    pub(in crate::audit::verify) fn begin_after(&mut self, before: Head) {
        self.beginning.note_end(before.seq(), before.hash());
    }

    /// Notes where a segment ended, once a line stands in another one.
    pub(in crate::audit::verify) fn note_end(
        &mut self,
        head: Option<Head>,
        last: Option<Spot>,
        spot: Spot,
    ) {
        if let (Some(head), Some(last)) = (head, last)
            && last.segment != spot.segment
        {
            self.beginning.note_end(head.seq(), head.hash());
        }
    }

    /// Looks at a record that follows the one before it.
    pub(in crate::audit::verify) fn check(
        &mut self,
        record: &Link<'_>,
        hash: LineHash,
    ) -> Result<(), Fault> {
        let seq = record.seq;
        if let Some(mark) = self.low_water.denial(seq, hash) {
            let by = mark.by.clone();
            return Err(Fault::Denied { seq, by });
        }
        if let Some(pruned) = record.pruned() {
            self.beginning.note_pruned(seq, pruned);
        }
        Ok(())
    }

    /// Takes note of a checkpoint whose signature holds, as far as there is a key.
    pub(in crate::audit::verify) fn note_signed(&mut self, upto: u64) {
        self.beginning.note_signed(upto);
    }

    /// What is missing behind the last record, before the one that is due.
    pub(in crate::audit::verify) fn short(&self, due: u64) -> Option<Fault> {
        let (vouched, mark) = self.low_water.highest()?;
        let by = mark.by.clone();
        let seq = due;
        (vouched >= due).then_some(Fault::Short { seq, vouched, by })
    }

    /// The checkpoint that the first one that is there was signed over, as a `pruned` record tells.
    pub(in crate::audit::verify) fn checkpoint_before(&self) -> Option<LineHash> {
        self.beginning.last_checkpoint()
    }

    /// What is missing before the first record.
    pub(in crate::audit::verify) fn beginning(&self) -> Option<Fault> {
        let (seq, first) = (self.beginning.missing()?, self.first);
        Some(Fault::Beginning { seq, first })
    }
}
