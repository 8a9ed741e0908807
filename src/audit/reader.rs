//! Reading a journal on from a record, and believing only what follows it.
//!
//! What is not known to be on the disk is not read. Whoever reads may fall so far behind that retention has
//! removed what comes next.

use std::path::{Path, PathBuf};

use crate::{
    audit::{
        chain::{Break, Head, LineHash},
        forward::{Forward, Go, Line},
        link::Link,
        search::open::Segment,
        verify::{Unreadable, findings::Fault},
    },
    ids::{JournalId, RecordId},
};

/// Reads on from a record.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    journal: String,
    /// The last record that was read; nothing where it is to begin with the oldest there is.
    head: Option<Head>,
    forward: Option<Forward>,
}

/// A record as its line stands in the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Its own name.
    pub id: RecordId,
    /// When it says that it was written, in its own words.
    pub time: String,
    /// One JSON object, without the newline.
    pub text: String,
    /// The hash of the text.
    pub hash: LineHash,
}

/// How much is read at once: at least one record, and no more than either.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    /// In records.
    pub records: usize,
    /// In bytes, without newlines.
    pub bytes: usize,
}

/// There is no next record that could be believed.
#[derive(Debug, thiserror::Error)]
pub enum Misfit {
    /// The journal cannot be read.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// Retention has removed it.
    #[error("the journal begins with record {first} by now, and record {due} is due")]
    Removed {
        /// The record that is due.
        due: u64,
        /// The oldest record there is.
        first: u64,
    },
    /// What stands there does not follow.
    #[error(
        "the audit journal does not fit what was read of it before; `partner-gateway audit verify --dir {}` tells more",
        dir.display()
    )]
    Damaged {
        /// The journal's directory.
        dir: PathBuf,
        /// What is wrong.
        source: Fault,
    },
}

impl Reader {
    /// Reads on behind a record of the journal in `dir`, or from the oldest one there is.
    #[must_use]
    pub fn behind(dir: &Path, journal: JournalId, head: Option<Head>) -> Self {
        Self {
            dir: dir.to_owned(),
            journal: journal.to_string(),
            head,
            forward: None,
        }
    }

    /// Reads the next records up to one that is known to be on the disk; none only where there is none.
    /// Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// When the next one cannot be read, has been removed, or does not follow.
    pub fn read(&mut self, upto: u64, most: Most) -> Result<Vec<Record>, Misfit> {
        let Some(due) = self.due()?.filter(|due| *due <= upto) else {
            return Ok(Vec::new());
        };
        let records = self.read_on(due, upto, most);
        if records.as_ref().is_ok_and(|records| !records.is_empty()) {
            return records;
        }
        // A segment may have gone between two looks.
        self.refuse_removed(due)?;
        match records {
            Ok(_) => Err(self.damaged(Break::NotARecord { expected: due }.into())),
            misfit => misfit,
        }
    }

    /// The number of the next record; nothing where it is the first of a journal that has none.
    fn due(&self) -> Result<Option<u64>, Unreadable> {
        if let Some(head) = self.head {
            return Ok(Some(head.seq().saturating_add(1)));
        }
        let first = Segment::all(&self.dir)?.first().map(|it| it.first);
        Ok(first)
    }

    fn read_on(&mut self, due: u64, upto: u64, most: Most) -> Result<Vec<Record>, Misfit> {
        let is_seeking = self.forward.is_none();
        let mut forward = match self.forward.take() {
            Some(forward) => forward,
            None => Forward::from(&self.dir, segment_of(&self.dir, due)?),
        };
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        let mut head = self.head;
        let read = forward.read::<Misfit>(&mut |Line {
                                                    bytes: line,
                                                    seq,
                                                    may_be_void,
                                                    ..
                                                }| {
            if seq.is_none() && may_be_void {
                return Ok(Go::On);
            }
            let next = head.map_or(due, |head| head.seq().saturating_add(1));
            let whole = line.strip_suffix(b"\n").unwrap_or(line);
            bytes = bytes.saturating_add(whole.len());
            let is_enough = records.len() >= most.records || bytes > most.bytes;
            if next > upto || (is_enough && !records.is_empty()) {
                return Ok(Go::Back);
            }
            // The segment may begin with what was read before.
            let is_first = is_seeking && records.is_empty();
            if is_first && seq.is_some_and(|seq| seq < due) {
                bytes = 0;
                return Ok(Go::On);
            }
            let (then, record) = self.follow(head, next, line)?;
            head = Some(then);
            records.push(record);
            Ok(Go::On)
        });
        // After an error it is looked for anew, so that nothing is skipped.
        read?;
        self.forward = Some(forward);
        self.head = head;
        Ok(records)
    }

    fn follow(&self, head: Option<Head>, due: u64, line: &[u8]) -> Result<(Head, Record), Misfit> {
        let odd = || self.damaged(Break::NotARecord { expected: due }.into());
        let record = Link::read(line).ok_or_else(odd)?;
        if record.journal != self.journal {
            let found = record.journal.chars().take(64).collect();
            return Err(self.damaged(Fault::Foreign { seq: due, found }));
        }
        let before = match head {
            Some(head) => head,
            None if due <= 1 => Head::GENESIS,
            None => Head::before(due, &record.prev).ok_or_else(odd)?,
        };
        let whole = line.strip_suffix(b"\n").unwrap_or(line);
        let then = before
            .follow(&record, whole)
            .map_err(|broken| self.damaged(broken.into()))?;
        let read = Record {
            seq: record.seq,
            id: record.id.parse().map_err(|_| odd())?,
            time: record.time.clone().into_owned(),
            text: str::from_utf8(whole).map_err(|_| odd())?.to_owned(),
            hash: then.hash(),
        };
        Ok((then, read))
    }

    fn refuse_removed(&self, due: u64) -> Result<(), Misfit> {
        let first = Segment::all(&self.dir)?.first().map(|it| it.first);
        match first.filter(|first| *first > due) {
            Some(first) => Err(Misfit::Removed { due, first }),
            None => Ok(()),
        }
    }

    fn damaged(&self, source: Fault) -> Misfit {
        Misfit::Damaged {
            dir: self.dir.clone(),
            source,
        }
    }
}

/// The end of a journal behind one of its records; nothing where neither that record is there any more nor
/// the one after it. Blocks while the disk does.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn head_at(dir: &Path, seq: u64) -> Result<Option<Head>, Unreadable> {
    let mut found = None;
    let next = seq.saturating_add(1);
    let mut forward = Forward::from(dir, segment_of(dir, seq)?);
    forward.read::<Unreadable>(&mut |line| {
        let (line, number) = (line.bytes, line.seq);
        if number == Some(seq) {
            let whole = line.strip_suffix(b"\n").unwrap_or(line);
            found = Some(Head::behind(seq, LineHash::of(whole)));
        } else if number == Some(next) {
            found = Link::read(line).and_then(|link| Head::before(next, &link.prev));
        }
        let is_past = number.is_some_and(|number| number >= seq);
        Ok(if is_past { Go::Back } else { Go::On })
    })?;
    Ok(found)
}

/// The last segment that may hold a record, or the oldest one behind it.
fn segment_of(dir: &Path, seq: u64) -> Result<u64, Unreadable> {
    let segments = Segment::all(dir)?;
    let before = segments.iter().rev().find(|it| it.first <= seq);
    Ok(before.or(segments.first()).map_or(seq, |it| it.first))
}
