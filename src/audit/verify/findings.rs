//! What came of verifying a journal.

use std::{path::PathBuf, time::SystemTime};

use crate::{
    audit::{
        chain::{Break, LineHash},
        verify::{
            seals::{Flaw, Signed},
            vouched::Vouched,
        },
    },
    ids::JournalId,
};

/// What stands in a journal, as far as it could be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Findings {
    /// The journal's identity.
    pub journal: JournalId,
    /// How many files it has.
    pub segments: usize,
    /// How many records are as they should be.
    pub records: u64,
    /// The first of them; after 1 where older ones were deleted.
    pub first: Option<Record>,
    /// The last of them, with the hash of its line.
    pub last: Option<(Record, LineHash)>,
    /// How many of them are checkpoints.
    pub checkpoints: u64,
    /// Checkpoints whose signature was not checked.
    pub unchecked: u64,
    /// How far good signatures reach.
    pub signed: Option<Signed>,
    /// Which key vouches for which of its records.
    pub vouched: Vec<Vouched>,
    /// The last checkpoint, whatever its signature.
    pub last_checkpoint: Option<u64>,
    /// How many of the checkpoints that were kept elsewhere stand in the journal.
    pub kept_found: usize,
    /// How many of them are older than its first record.
    pub kept_before: usize,
    /// Bytes that count for nothing, because a later segment has taken their place.
    pub void_bytes: u64,
    /// What is behind the last record and is no record.
    pub unfinished: Option<Unfinished>,
    /// What is wrong, if anything is.
    pub damage: Option<Damage>,
}

/// A record, by its number and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// When it says that it was written; nothing where it does not.
    pub time: Option<SystemTime>,
}

/// Bytes behind the last record: of one that is being written, or was when the process was killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The segment.
    pub path: PathBuf,
    /// Where they begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
}

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub fault: Fault,
    /// The file it is in.
    pub path: PathBuf,
    /// Where it begins, in bytes.
    pub offset: u64,
}

/// What is wrong with a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A line does not follow the one before it.
    #[error(transparent)]
    Chain(#[from] Break),
    /// A line is not the one that the next record was chained to.
    #[error("record {seq} is not the line that the record after it names")]
    Changed {
        /// The record.
        seq: u64,
    },
    /// Two lines follow the same line.
    #[error("record {seq} stands there twice")]
    Twice {
        /// The record.
        seq: u64,
    },
    /// A record is of another journal.
    #[error("a record of another journal ({found:?}) stands where record {seq} is due")]
    Foreign {
        /// The number that was due.
        seq: u64,
        /// The journal that it names.
        found: String,
    },
    /// A checkpoint is not what it should be.
    #[error("checkpoint {seq}: {flaw}")]
    Checkpoint {
        /// The checkpoint's own number.
        seq: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// A checkpoint that was kept elsewhere is another line.
    #[error("record {seq} is not the checkpoint that was kept elsewhere")]
    Kept {
        /// The checkpoint's own number.
        seq: u64,
    },
    /// The journal ends before a checkpoint that was kept elsewhere.
    #[error(
        "record {seq} is missing, and so is all that follows up to checkpoint {kept}, which was kept elsewhere"
    )]
    Truncated {
        /// The first record that is missing.
        seq: u64,
        /// The number of the checkpoint.
        kept: u64,
    },
    /// The journal ends before a record that is known to have been on the disk.
    #[error(
        "record {seq} is missing, and so is all that follows up to record {vouched}, for which {by:?} vouches"
    )]
    Short {
        /// The first record that is missing.
        seq: u64,
        /// The record that must be there.
        vouched: u64,
        /// The file that says so.
        by: PathBuf,
    },
    /// Another line is known to have been on the disk.
    #[error("record {seq} is not the line for which {by:?} vouches")]
    Denied {
        /// The record.
        seq: u64,
        /// The file that says so.
        by: PathBuf,
    },
    /// Records before the first one were not removed by retention.
    #[error(
        "the beginning is missing: the journal begins with record {first}, and no `pruned` record tells that what was before it was removed"
    )]
    Beginning {
        /// The first record that is missing.
        seq: u64,
        /// The first record that is there.
        first: u64,
    },
    /// A checkpoint that was kept elsewhere is of another journal.
    #[error("checkpoint {seq}, which was kept elsewhere, is of another journal ({found:?})")]
    OtherJournal {
        /// The checkpoint's own number.
        seq: u64,
        /// The journal that it names.
        found: String,
    },
}

impl Record {
    pub(in crate::audit::verify) fn at(seq: u64, time: &str) -> Self {
        Self {
            seq,
            time: humantime::parse_rfc3339(time).ok(),
        }
    }
}

impl Damage {
    pub(in crate::audit) fn new(fault: Fault, path: PathBuf, offset: u64) -> Self {
        Self {
            fault,
            path,
            offset,
        }
    }
}

impl Fault {
    /// The number of the first record that is not as it should be.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Chain(broken) => broken.seq(),
            Self::Changed { seq }
            | Self::Twice { seq }
            | Self::Foreign { seq, .. }
            | Self::Checkpoint { seq, .. }
            | Self::Kept { seq }
            | Self::Truncated { seq, .. }
            | Self::Short { seq, .. }
            | Self::Denied { seq, .. }
            | Self::Beginning { seq, .. }
            | Self::OtherJournal { seq, .. } => *seq,
        }
    }
}
