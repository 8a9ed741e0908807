//! Reading a journal from end to end before anything of it is changed.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
};

use crate::{
    audit::{
        beginning::Beginning,
        chain::{Break, Head},
        link::{LONGEST_LINE, Link},
        low_water::LowWater,
        orphans::Open,
        recovery::{
            OpenError, at,
            tail::{self, Tail},
        },
        verify::findings::{Damage, Fault},
    },
    ids::JournalId,
};

/// What stands in a journal.
#[derive(Debug)]
pub(in crate::audit::recovery) struct Survey<'a> {
    journal: String,
    low_water: &'a LowWater,
    /// The record that the first segment is named after.
    pub(in crate::audit::recovery) first: u64,
    /// Nothing is known of the record before the first one where that is not record 1.
    head: Option<Head>,
    beginning: Beginning,
    pub(in crate::audit::recovery) tail: Option<Tail>,
    pub(in crate::audit::recovery) open: Open,
    /// The tails that were cut off and told of.
    pub(in crate::audit::recovery) cuts: BTreeSet<String>,
    /// The key that the last checkpoint names.
    pub(in crate::audit::recovery) signed_with: Option<String>,
}

/// Why a journal cannot be gone on with.
pub(in crate::audit::recovery) enum Stop {
    Damaged(Damage),
    Unreadable(OpenError),
}

impl<'a> Survey<'a> {
    /// Reads the segments of a journal, behind intents that came with it from the one before.
    pub(in crate::audit::recovery) fn of(
        dir: &Path,
        (journal, open): (JournalId, Open),
        low_water: &'a LowWater,
        segments: &[(u64, PathBuf)],
    ) -> Result<(Self, Head), Stop> {
        let first = segments.first().map_or(1, |(first, _)| *first);
        // Retention takes the outcomes first, long after the calls were closed.
        let open = if first <= 1 { open } else { Open::default() };
        let mut survey = Self {
            journal: journal.to_string(),
            low_water,
            first,
            head: (first <= 1).then_some(Head::GENESIS),
            beginning: Beginning::at(first),
            tail: None,
            open,
            cuts: BTreeSet::new(),
            signed_with: None,
        };
        for (index, (first, path)) in segments.iter().enumerate() {
            let next = segments.get(index.saturating_add(1)).map(|(next, _)| *next);
            survey.read(path, *first, next)?;
            if let Some(head) = survey.head {
                survey.beginning.note_end(head.seq(), head.hash());
            }
        }
        let head = survey.judge(dir, segments)?;
        Ok((survey, head))
    }

    fn due(&self) -> u64 {
        self.head
            .map_or(self.first, |head| head.seq().saturating_add(1))
    }

    /// Follows the chain through one segment, up to where the next segment begins: what a segment holds
    /// at or above the next one's name was never acknowledged.
    fn read(&mut self, path: &Path, first: u64, next: Option<u64>) -> Result<(), Stop> {
        let file = File::open(path).map_err(unreadable(path))?;
        let mut lines = BufReader::with_capacity(READ_AT_ONCE, file);
        let mut offset = 0;
        let mut line = Vec::new();
        if first != self.due() {
            let (expected, found) = (self.due(), first);
            return Err(stop(Break::Number { expected, found }, path, offset));
        }
        loop {
            line.clear();
            let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line);
            let length = read.map_err(unreadable(path))?;
            if length == 0 || next.is_some_and(|next| self.due() >= next) {
                return Ok(());
            }
            let Some(record) = Link::read(&line) else {
                let is_torn =
                    next.is_none() && tail::is_torn(&line, &mut lines).map_err(unreadable(path))?;
                if is_torn {
                    let path = path.to_owned();
                    self.tail = Some(Tail { path, offset });
                    return Ok(());
                }
                let expected = self.due();
                return Err(stop(Break::NotARecord { expected }, path, offset));
            };
            let whole = line.strip_suffix(b"\n").unwrap_or(&line);
            self.take(&record, whole)
                .map_err(|fault| stop(fault, path, offset))?;
            offset = offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
        }
    }

    /// Moves on to a record, if it is the one that is due.
    fn take(&mut self, record: &Link<'_>, line: &[u8]) -> Result<(), Fault> {
        let expected = self.due();
        if record.journal != self.journal {
            let found = record.journal.chars().take(64).collect();
            return Err(Fault::Foreign {
                seq: expected,
                found,
            });
        }
        let before = match self.head {
            Some(head) => head,
            None => self.begin(record)?,
        };
        let head = before.follow(record, line)?;
        if let Some(mark) = self.low_water.denial(record.seq, head.hash()) {
            return Err(Fault::Denied {
                seq: record.seq,
                by: mark.by.clone(),
            });
        }
        if let Some(pruned) = record.pruned() {
            self.beginning.note_pruned(record.seq, pruned);
        }
        if let Some(upto) = record.upto.filter(|_| record.is_checkpoint()) {
            self.beginning.note_signed(upto);
            self.signed_with = record.key_id.as_deref().map(str::to_owned);
        }
        if let Some(cut) = &record.cut {
            self.cuts.insert(cut.file.clone());
        }
        self.open.note(record, line);
        self.head = Some(head);
        Ok(())
    }

    /// Takes the first record's word for what came before it, until a `pruned` record says the same.
    fn begin(&mut self, record: &Link<'_>) -> Result<Head, Fault> {
        let (expected, found) = (self.first, record.seq);
        if found != expected {
            return Err(Break::Number { expected, found }.into());
        }
        let before = Head::before(found, &record.prev).ok_or(Break::Hash { seq: found })?;
        self.beginning.note_end(before.seq(), before.hash());
        Ok(before)
    }

    /// Whether both ends are where they must be. Nothing may be cut off a journal whose are not.
    fn judge(&self, dir: &Path, segments: &[(u64, PathBuf)]) -> Result<Head, Stop> {
        let (path, end) = self.end(dir, segments)?;
        if let Some((vouched, mark)) = self.low_water.highest()
            && vouched >= self.due()
        {
            let fault = Fault::Short {
                seq: self.due(),
                vouched,
                by: mark.by.clone(),
            };
            return Err(stop(fault, &path, end));
        }
        let missing = self.beginning.missing();
        self.head.filter(|_| missing.is_none()).ok_or_else(|| {
            let path = segments.first().map_or(dir, |(_, path)| path);
            let fault = Fault::Beginning {
                seq: missing.unwrap_or(1),
                first: self.first,
            };
            stop(fault, path, 0)
        })
    }

    /// Where the records end.
    fn end(&self, dir: &Path, segments: &[(u64, PathBuf)]) -> Result<(PathBuf, u64), Stop> {
        if let Some(Tail { path, offset }) = &self.tail {
            return Ok((path.clone(), *offset));
        }
        let Some((_, path)) = segments.last() else {
            return Ok((dir.to_owned(), 0));
        };
        let bytes = fs::metadata(path).map_err(unreadable(path))?.len();
        Ok((path.clone(), bytes))
    }
}

fn stop(fault: impl Into<Fault>, path: &Path, offset: u64) -> Stop {
    Stop::Damaged(Damage::new(fault.into(), path.to_owned(), offset))
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Stop {
    let at = at(path);
    |source| Stop::Unreadable(at(source))
}

/// In bytes.
const READ_AT_ONCE: usize = 256 << 10;
