//! Lines that are no records, and that a search passes over.
//!
//! To prove what is wrong with a journal is for `verify`. Here only that is counted which meets the eye, so that nobody
//! takes what was found for all that was there.

use std::path::{Path, PathBuf};

/// Lines that are no records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// How many.
    pub lines: u64,
    /// The file of the first one.
    pub path: PathBuf,
    /// Where it begins in its file, in bytes.
    pub offset: u64,
}

/// Counts them in a segment that is read from its end to its beginning.
#[derive(Debug)]
pub(in crate::audit::search) struct Counting {
    /// What the next segment begins with. Behind the record before it stands what a failed write has left.
    end: Option<u64>,
    has_met_record: bool,
    /// Met before any record: void, or in the place of the last ones.
    behind: u64,
    behind_offset: u64,
    lines: u64,
    offset: u64,
}

impl PassedOver {
    pub(in crate::audit::search) fn one(path: &Path, offset: u64) -> Self {
        Self {
            lines: 1,
            path: path.to_owned(),
            offset,
        }
    }

    /// Adds lines that stand before these.
    #[must_use]
    pub(in crate::audit::search) fn and_earlier(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) => Self {
                lines: self.lines.saturating_add(earlier.lines),
                ..earlier
            },
            None => self,
        }
    }
}

impl Counting {
    pub(in crate::audit::search) fn before(end: Option<u64>) -> Self {
        Self {
            end,
            has_met_record: false,
            behind: 0,
            behind_offset: 0,
            lines: 0,
            offset: 0,
        }
    }

    /// Takes in a line that is no record.
    pub(in crate::audit::search) fn pass(&mut self, offset: u64) {
        if self.end.is_some() && !self.has_met_record {
            self.behind = self.behind.saturating_add(1);
            self.behind_offset = offset;
        } else {
            self.lines = self.lines.saturating_add(1);
            self.offset = offset;
        }
    }

    /// Takes in that a record of this number was met, or that everything was read and it would be before the first.
    pub(in crate::audit::search) fn meet(&mut self, seq: u64) {
        if self.has_met_record {
            return;
        }
        self.has_met_record = true;
        let due = seq.saturating_add(1);
        let missing = self.end.map_or(0, |end| end.saturating_sub(due));
        if self.behind.min(missing) > 0 {
            self.lines = self.behind.min(missing);
            self.offset = self.behind_offset;
        }
    }

    /// What was counted so far.
    pub(in crate::audit::search) fn told(&self, path: &Path) -> Option<PassedOver> {
        (self.lines > 0).then(|| PassedOver {
            lines: self.lines,
            path: path.to_owned(),
            offset: self.offset,
        })
    }
}
