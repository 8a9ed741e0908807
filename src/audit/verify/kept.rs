//! Checkpoints that were kept elsewhere, where whoever holds the journal cannot reach them.

use std::collections::BTreeMap;

use crate::{
    audit::{chain::LineHash, link::Link},
    ids::JournalId,
};

/// Lines that the journal must contain.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// By number; no hash where two different lines were kept for it, of which one must be false.
    lines: BTreeMap<u64, (Option<LineHash>, String)>,
}

/// A line of the text is not a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is not a checkpoint record of a journal")]
pub struct NotACheckpoint {
    line: usize,
}

impl Kept {
    /// Reads checkpoint records as they stood in the journal, one a line.
    ///
    /// # Errors
    ///
    /// When a line that is not empty is something else, or there is none.
    pub fn parse(text: &[u8]) -> Result<Self, NotACheckpoint> {
        let mut kept = Self::default();
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let unfit = NotACheckpoint {
                line: index.saturating_add(1),
            };
            let record: Link<'_> = serde_json::from_slice(line).map_err(|_| unfit)?;
            if !record.is_checkpoint() {
                return Err(unfit);
            }
            let hash = Some(LineHash::of(line));
            let entry = (hash, record.journal.into_owned());
            let (first, _) = kept.lines.entry(record.seq).or_insert(entry);
            if *first != hash {
                *first = None;
            }
        }
        if kept.lines.is_empty() {
            return Err(NotACheckpoint { line: 1 });
        }
        Ok(kept)
    }

    /// Whether there are none.
    pub(in crate::audit::verify) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The first one that is of another journal, if any is.
    pub(in crate::audit::verify) fn foreign(&self, journal: JournalId) -> Option<(u64, &str)> {
        let own = journal.to_string();
        let mut all = self.lines.iter();
        all.find(|(_, (_, of))| *of != own)
            .map(|(seq, (_, of))| (*seq, of.as_str()))
    }

    /// Whether a line is the one that was kept under its number, where one was.
    pub(in crate::audit::verify) fn agrees(&self, seq: u64, hash: LineHash) -> Option<bool> {
        self.lines.get(&seq).map(|(kept, _)| *kept == Some(hash))
    }

    /// The first one from a number on.
    pub(in crate::audit::verify) fn first_from(&self, seq: u64) -> Option<u64> {
        self.lines.range(seq..).next().map(|(seq, _)| *seq)
    }

    /// How many there are before a number.
    pub(in crate::audit::verify) fn count_before(&self, seq: u64) -> usize {
        self.lines.range(..seq).count()
    }
}
