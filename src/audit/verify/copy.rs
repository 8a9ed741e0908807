//! Holding a journal against the copy of it that a sink has: both are read side by side, in their order, one line of
//! each at a time.

mod along;

use std::{collections::BTreeSet, path::Path};

use self::along::Along;
use crate::{
    audit::{
        chain::Break,
        link::Link,
        public_key::PublicKey,
        verify::{
            Evidence, Progress, Unreadable,
            findings::{Fault, Findings},
            follow,
            seals::{Flaw, Signed},
            vouched::Vouched,
        },
    },
    ids::JournalId,
};

/// A line of the copy, as the sink has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number by which the sink knows it: of a message in a stream, of a row in a table.
    pub at: u64,
    /// The line, without a newline.
    pub line: Vec<u8>,
}

/// What is known of the copy before it is read.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The last record that the sink has acknowledged; 0 where there is none.
    pub acknowledged: u64,
    /// Records that it refused for good, and so does not have.
    pub refused: BTreeSet<u64>,
}

/// Records that follow each other, the first and the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first one.
    pub from: u64,
    /// The last one.
    pub upto: u64,
}

/// What came of holding the copy against the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many lines the copy has.
    pub lines: u64,
    /// The first and the last record of it.
    pub range: Option<Range>,
    /// How many records are the same in both.
    pub same: u64,
    /// How many are older than the journal's first, so that they stand in the copy alone.
    pub older: u64,
    /// How many could not be compared, because the journal is damaged before them.
    pub uncompared: u64,
    /// How many the copy lacks because the sink refused them for good.
    pub refused: u64,
    /// What the journal has and the sink has not acknowledged yet.
    pub lag: Option<Range>,
    /// How far good signatures reach in the copy.
    pub signed: Option<Signed>,
    /// Which key vouches for which of its records.
    pub vouched: Vec<Vouched>,
    /// Differences, the first ones of them, as they were found.
    pub differences: Vec<Difference>,
    /// How many more there are.
    pub untold: u64,
}

/// What is not the same in the journal and the copy, or is wrong with the copy itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// Both have a line, and not the same one.
    #[error("{0}: the journal and the sink have different lines")]
    Other(Range),
    /// The copy has more than the journal.
    #[error("{0}: the sink has what the journal lacks at its end")]
    Ahead(Range),
    /// The copy lacks what the sink has acknowledged, or what later records show that it must have had.
    #[error("{0}: the sink lacks what was delivered to it")]
    Lost(Range),
    /// The copy has records again, or in another order.
    #[error("{0}: the sink has it again, behind a later record or itself")]
    Repeated(Range),
    /// What stands in the copy is no record of the journal.
    #[error("entry {at} of the sink is no record of the journal")]
    Odd {
        /// The number by which the sink knows it.
        at: u64,
    },
    /// A line of the copy does not follow the one before it there.
    #[error("in the sink, {0}")]
    Chain(Break),
    /// A checkpoint of the copy is not what it should be.
    #[error("in the sink, checkpoint {seq}: {flaw}")]
    Checkpoint {
        /// The checkpoint's own number.
        seq: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
}

/// Verifies the journal in `dir` as [`super::verify`] does, and holds the copy against it on the way. The end of the
/// copy must have been taken before: what the sink had by then the journal had, too.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn compare(
    dir: &Path,
    evidence: Evidence<'_>,
    expected: &Expected,
    copy: &mut dyn Iterator<Item = Entry>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Findings, Comparison), Unreadable> {
    compare_telling(dir, evidence, expected, copy, (progress, &mut |_, _| {}))
}

/// What each record is handed to, with its line.
type Each<'a> = &'a mut dyn FnMut(&Link<'_>, &[u8]);

/// Does the same, and hands on each record of the journal that is as it should be.
pub(in crate::audit::verify) fn compare_telling(
    dir: &Path,
    evidence: Evidence<'_>,
    expected: &Expected,
    copy: &mut dyn Iterator<Item = Entry>,
    (progress, each): (&mut dyn FnMut(Progress), Each<'_>),
) -> Result<(Findings, Comparison), Unreadable> {
    let journal = super::identity(dir)?;
    let mut along = Along::new(journal, evidence.keys, expected, copy);
    let findings = follow(dir, evidence, progress, &mut |record, line| {
        along.take(record.seq, line);
        each(record, line);
    })?;
    let is_read_to_its_end = findings.damage.as_ref().is_none_or(|damage| {
        matches!(
            damage.fault,
            Fault::Short { .. } | Fault::Truncated { .. } | Fault::Beginning { .. }
        )
    });
    Ok((findings, along.end(is_read_to_its_end)))
}

/// Follows the copy by itself, where there is no journal to hold it against.
pub(in crate::audit::verify) fn alone(
    journal: JournalId,
    keys: &[PublicKey],
    copy: &mut dyn Iterator<Item = Entry>,
) -> Comparison {
    let expected = Expected::default();
    let found = Along::new(journal, keys, &expected, copy).end(false);
    Comparison {
        uncompared: 0,
        ..found
    }
}

impl Comparison {
    /// Whether nothing is wrong with either.
    #[must_use]
    pub fn is_even(&self) -> bool {
        self.differences.is_empty()
    }
}

impl Difference {
    /// What it is called by programs.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Other(_) => "other_line",
            Self::Ahead(_) => "not_in_journal",
            Self::Lost(_) => "not_in_sink",
            Self::Repeated(_) => "repeated",
            Self::Odd { .. } => "no_record",
            Self::Chain(_) => "chain",
            Self::Checkpoint { .. } => "checkpoint",
        }
    }

    /// The records that it is about; for what is no record, its number in the sink.
    #[must_use]
    pub fn range(&self) -> Range {
        match self {
            Self::Other(range) | Self::Ahead(range) | Self::Lost(range) | Self::Repeated(range) => {
                *range
            }
            Self::Odd { at } => Range::of(*at),
            Self::Chain(broken) => Range::of(broken.seq()),
            Self::Checkpoint { seq, .. } => Range::of(*seq),
        }
    }
}

impl Range {
    pub(in crate::audit::verify::copy) fn of(seq: u64) -> Self {
        Self {
            from: seq,
            upto: seq,
        }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.upto.saturating_sub(self.from).saturating_add(1)
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.from == self.upto {
            write!(f, "record {}", self.from)
        } else {
            write!(f, "records {} to {}", self.from, self.upto)
        }
    }
}
