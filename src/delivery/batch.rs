//! What goes to a sink at once: records that follow each other.

use crate::{
    audit::{chain::LineHash, reader::Record},
    ids::{JournalId, RecordId},
};

/// Records of one journal, at least one, in their order and without a gap. All of them are on the disk.
#[derive(Clone, Debug)]
pub struct Batch {
    journal: JournalId,
    lines: Vec<Line>,
}

/// A record as its line stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub seq: u64,
    /// Its own name, by which a sink knows it when it comes again.
    pub id: RecordId,
    /// One JSON object, without the newline.
    pub text: String,
    /// The hash of the text.
    pub hash: LineHash,
}

impl Batch {
    /// Nothing where there are no records.
    #[must_use]
    pub fn of(journal: JournalId, lines: Vec<Line>) -> Option<Self> {
        (!lines.is_empty()).then_some(Self { journal, lines })
    }

    /// The same records in batches of at most so many, in their order.
    #[must_use]
    pub fn parts(self, most: usize) -> Vec<Self> {
        let parts = self.lines.chunks(most.max(1));
        parts
            .map(|part| Self {
                journal: self.journal,
                lines: part.to_vec(),
            })
            .collect()
    }

    /// Whose records they are.
    #[must_use]
    pub fn journal(&self) -> JournalId {
        self.journal
    }

    /// The records.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl From<Record> for Line {
    fn from(record: Record) -> Self {
        let Record {
            seq,
            id,
            time: _,
            text,
            hash,
        } = record;
        Self {
            seq,
            id,
            text,
            hash,
        }
    }
}
