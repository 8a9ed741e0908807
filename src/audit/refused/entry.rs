//! What stands in a ledger.

use serde::Deserialize;

use crate::{
    audit::link::Link,
    ids::{JournalId, RecordId},
};

/// A record that stands in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Whose record it is: of an earlier journal in the same directory, it may be.
    pub journal: JournalId,
    /// Its number.
    pub seq: u64,
    /// Its own name.
    pub id: RecordId,
    /// What the sink said.
    pub reason: String,
    /// Its line, where that is there and says that it is this record's.
    pub line: Option<String>,
}

/// What stands in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The records, in the order in which they were entered.
    pub records: Vec<Entered>,
    /// How many lines besides do not tell of a record.
    pub unreadable: usize,
}

/// An entry as it is written.
#[derive(Deserialize)]
pub(in crate::audit) struct Entry {
    pub(in crate::audit) journal: String,
    pub(in crate::audit) seq: u64,
    #[serde(default)]
    pub(in crate::audit) id: String,
    #[serde(default)]
    pub(in crate::audit) reason: String,
    pub(in crate::audit) line: Option<String>,
}

impl Entry {
    /// The record, where it is one.
    pub(in crate::audit) fn entered(self) -> Option<Entered> {
        let Self {
            journal,
            seq,
            id,
            reason,
            line,
        } = self;
        let is_own = |line: &String| {
            let line = format!("{line}\n");
            Link::read(line.as_bytes())
                .is_some_and(|it| it.journal == journal && it.seq == seq && it.id == id)
        };
        Some(Entered {
            line: line.filter(is_own),
            journal: journal.parse().ok()?,
            seq,
            id: id.parse().ok()?,
            reason,
        })
    }
}
