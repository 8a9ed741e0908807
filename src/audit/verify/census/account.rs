//! What is read of one journal for the sake of the others.

use std::path::Path;

use serde::Deserialize;

use crate::{
    audit::{
        chain::LineHash,
        link::Link,
        public_key::PublicKey,
        verify::{
            self, Evidence, Progress, Unreadable,
            census::Kind,
            copy::{self, Comparison, Entry, Expected},
            findings::Findings,
            follow,
        },
        witness::{Contradicted, End, WITNESS, Witnessed},
    },
    ids::JournalId,
};

/// What was read of one journal for the sake of the others.
#[derive(Clone, Debug)]
pub struct Account {
    pub(in crate::audit::verify::census) journal: JournalId,
    first: u64,
    pub(in crate::audit::verify::census) last: u64,
    /// Its last line. After a crash the checkpoint over it may have been published, and stand nowhere else.
    tail: Vec<u8>,
    /// What its checkpoints sign, in their order.
    ends: Vec<End>,
    pub(in crate::audit::verify::census) seen: Vec<Seen>,
    /// A journal that is damaged was not read to its end.
    pub(in crate::audit::verify::census) is_whole: bool,
}

/// What one of its records says of another journal.
#[derive(Clone, Debug)]
pub(in crate::audit::verify::census) struct Seen {
    /// The record.
    pub(in crate::audit::verify::census) at: u64,
    pub(in crate::audit::verify::census) journal: JournalId,
    pub(in crate::audit::verify::census) end: End,
    pub(in crate::audit::verify::census) time: String,
    /// The end that this denies.
    pub(in crate::audit::verify::census) denied: Option<u64>,
}

/// What a `witness` record says.
#[derive(Deserialize)]
struct Line {
    witnessed: Witnessed,
    contradicts: Option<Contradicted>,
}

/// Verifies as [`verify::verify`] does, and gathers what the others need.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn verify(
    dir: &Path,
    evidence: Evidence<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Findings, Account), Unreadable> {
    let mut account = Account::of(verify::identity(dir)?);
    let findings = follow(dir, evidence, progress, &mut |record, line| {
        account.note(record, line);
    })?;
    account.is_whole = findings.damage.is_none();
    Ok((findings, account))
}

/// Compares as [`copy::compare`] does, and gathers what the others need.
///
/// # Errors
///
/// When the journal cannot be read.
pub fn compare(
    dir: &Path,
    evidence: Evidence<'_>,
    expected: &Expected,
    entries: &mut dyn Iterator<Item = Entry>,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Findings, Comparison, Account), Unreadable> {
    let mut account = Account::of(verify::identity(dir)?);
    let each = &mut |record: &Link<'_>, line: &[u8]| account.note(record, line);
    let (findings, comparison) =
        copy::compare_telling(dir, evidence, expected, entries, (progress, each))?;
    account.is_whole = findings.damage.is_none();
    Ok((findings, comparison, account))
}

/// Follows the copy of a journal by itself, and gathers what the others need.
pub fn follow_copy(
    journal: JournalId,
    keys: &[PublicKey],
    entries: &mut dyn Iterator<Item = Entry>,
) -> (Comparison, Account) {
    let mut account = Account::of(journal);
    let mut noted = entries.inspect(|entry| {
        let with_end = [entry.line.as_slice(), b"\n"].concat();
        if let Some(record) = Link::read(&with_end) {
            account.note(&record, &entry.line);
        }
    });
    let comparison = copy::alone(journal, keys, &mut noted);
    account.is_whole = true;
    (comparison, account)
}

impl Account {
    fn of(journal: JournalId) -> Self {
        Self {
            journal,
            first: 0,
            last: 0,
            tail: Vec::new(),
            ends: Vec::new(),
            seen: Vec::new(),
            is_whole: false,
        }
    }

    fn note(&mut self, record: &Link<'_>, line: &[u8]) {
        if self.first == 0 {
            self.first = record.seq;
        }
        if record.seq >= self.last {
            self.last = record.seq;
            self.tail.clear();
            self.tail.extend_from_slice(line);
        }
        if record.is_checkpoint() {
            let head = record.head.as_deref().and_then(|head| head.parse().ok());
            let is_next = |upto: &u64| self.ends.last().is_none_or(|end| end.upto < *upto);
            if let (Some(upto), Some(head)) = (record.upto.filter(is_next), head) {
                self.ends.push(End { upto, head });
            }
        } else if record.kind == WITNESS {
            self.seen.extend(Seen::read(record.seq, line));
        }
    }
}

impl Seen {
    fn read(at: u64, line: &[u8]) -> Option<Self> {
        let Line {
            witnessed,
            contradicts,
        } = serde_json::from_slice(line).ok()?;
        Some(Self {
            at,
            journal: witnessed.journal.parse().ok()?,
            end: End {
                upto: witnessed.upto,
                head: witnessed.head.parse().ok()?,
            },
            time: witnessed.time,
            denied: contradicts.map(|denied| denied.upto),
        })
    }
}

/// What becomes of a testimony.
pub(in crate::audit::verify::census) enum Judged {
    /// It is as it was.
    Same,
    /// Retention has removed it.
    Older,
    /// The journal was not read so far, because it is damaged before.
    Unknown,
    /// It is not as it was.
    Differs(Kind),
}

impl Account {
    pub(in crate::audit::verify::census) fn judge(&self, upto: u64, head: LineHash) -> Judged {
        if upto > self.last {
            let last = self.last;
            return if self.is_whole {
                Judged::Differs(Kind::Short { last })
            } else {
                Judged::Unknown
            };
        }
        if upto < self.first {
            return Judged::Older;
        }
        let found = self.ends.binary_search_by_key(&upto, |end| end.upto);
        match found.ok().and_then(|at| self.ends.get(at)) {
            Some(end) if end.head == head => Judged::Same,
            _ if upto == self.last && LineHash::of(&self.tail) == head => Judged::Same,
            _ if upto == self.last && !self.is_whole => Judged::Unknown,
            _ => Judged::Differs(Kind::Other),
        }
    }
}

/// Behind which record two journals of one name go apart, if they do.
pub(in crate::audit::verify::census) fn parting(one: &Account, other: &Account) -> Option<u64> {
    let first = one.first.max(other.first);
    let from = |account: &Account| account.ends.iter().position(|end| end.upto >= first);
    let mut same = first.saturating_sub(1);
    let (a, b) = (from(one)?, from(other)?);
    for (a, b) in one.ends.iter().skip(a).zip(other.ends.iter().skip(b)) {
        if a != b {
            return Some(same);
        }
        same = a.upto;
    }
    None
}

#[cfg(test)]
impl Account {
    /// One of a whole journal, from its first to its last record.
    pub(in crate::audit::verify::census) fn made(
        journal: JournalId,
        (first, last): (u64, u64),
        ends: &[End],
        seen: &[(u64, JournalId, End)],
    ) -> Self {
        let seen = seen.iter().map(|(at, journal, end)| Seen {
            at: *at,
            journal: *journal,
            end: *end,
            time: String::new(),
            denied: None,
        });
        Self {
            first,
            last,
            tail: b"last".to_vec(),
            ends: ends.to_vec(),
            seen: seen.collect(),
            is_whole: true,
            ..Self::of(journal)
        }
    }
}
