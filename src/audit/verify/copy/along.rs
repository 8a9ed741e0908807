//! The walk along both: each record of the journal is held against what the copy has under its number.

use std::iter::Peekable;

use crate::{
    audit::{
        chain::{Break, Head, LineHash},
        link::Link,
        public_key::PublicKey,
        verify::{
            copy::{Comparison, Difference, Entry, Expected, Range},
            seals::Seals,
        },
    },
    ids::JournalId,
};

/// How far both have been read.
pub(in crate::audit::verify::copy) struct Along<'a> {
    copy: Copied<'a>,
    /// The last record that the journal has, as far as it was read.
    last: u64,
    /// What the journal has before the first record of the copy.
    before: Option<Range>,
    /// What it has behind the last one.
    behind: Option<Range>,
}

/// The copy, as far as it was read.
struct Copied<'a> {
    name: String,
    entries: Peekable<&'a mut dyn Iterator<Item = Entry>>,
    /// The next record, once it was looked at.
    next: Option<(u64, LineHash)>,
    seals: Seals<'a>,
    head: Option<Head>,
    expected: &'a Expected,
    found: Comparison,
}

impl<'a> Along<'a> {
    pub(in crate::audit::verify::copy) fn new(
        journal: JournalId,
        keys: &'a [PublicKey],
        expected: &'a Expected,
        entries: &'a mut dyn Iterator<Item = Entry>,
    ) -> Self {
        let copy = Copied {
            name: journal.to_string(),
            entries: entries.peekable(),
            next: None,
            seals: Seals::new(journal, keys),
            head: None,
            expected,
            found: Comparison::default(),
        };
        Self {
            copy,
            last: 0,
            before: None,
            behind: None,
        }
    }

    /// Takes the next record of the journal.
    pub(in crate::audit::verify::copy) fn take(&mut self, seq: u64, line: &[u8]) {
        while self.copy.peek().is_some_and(|(next, _)| next < seq) {
            self.copy.next = None;
            // The journal has no gaps: what is before this record is before its first one.
            self.copy.found.older = self.copy.found.older.saturating_add(1);
        }
        match self.copy.peek() {
            Some((next, hash)) if next == seq => {
                self.copy.next = None;
                if hash == LineHash::of(line) {
                    self.copy.found.same = self.copy.found.same.saturating_add(1);
                } else {
                    self.copy.note(Difference::Other(Range::of(seq)));
                }
            }
            // Of a gap within the copy the copy itself tells.
            Some(_) if self.last == 0 || self.before.is_some_and(|it| it.upto == self.last) => {
                grow(&mut self.before, seq);
            }
            Some(_) => {}
            None => grow(&mut self.behind, seq),
        }
        self.last = seq;
    }

    /// Reads the rest of the copy, now that the journal has no more, whether it is whole or not.
    pub(in crate::audit::verify::copy) fn end(mut self, is_read_to_its_end: bool) -> Comparison {
        while let Some((seq, _)) = self.copy.peek() {
            self.copy.next = None;
            if is_read_to_its_end {
                self.copy.note(Difference::Ahead(Range::of(seq)));
            } else {
                let uncompared = &mut self.copy.found.uncompared;
                *uncompared = uncompared.saturating_add(1);
            }
        }
        let expected = self.copy.expected;
        let copy = &mut self.copy;
        if let Some(before) = self.before
            && copy.found.range.is_none_or(|it| it.from > before.upto)
        {
            copy.lost(before);
        }
        let has = copy.found.range.map_or(0, |it| it.upto);
        if let Some(behind) = self.behind {
            let lag = Range {
                from: behind.from.max(expected.acknowledged.saturating_add(1)),
                ..behind
            };
            copy.found.lag = (lag.from <= lag.upto).then_some(lag);
        }
        // What retention has removed from the journal since is as lost as what the journal still has.
        let first = if has > 0 {
            has.saturating_add(1)
        } else {
            self.behind.map_or(1, |it| it.from)
        };
        if first <= expected.acknowledged {
            copy.lost(Range {
                from: first,
                upto: expected.acknowledged,
            });
        }
        copy.found.signed = copy.seals.signed;
        copy.found.vouched.clone_from(&copy.seals.hands.vouched);
        self.copy.found
    }
}

impl Copied<'_> {
    /// The next record of the copy that is behind all before it.
    fn peek(&mut self) -> Option<(u64, LineHash)> {
        while self.next.is_none() {
            let entry = self.entries.next()?;
            self.next = self.look(&entry);
        }
        self.next
    }

    fn look(&mut self, Entry { at, line }: &Entry) -> Option<(u64, LineHash)> {
        self.found.lines = self.found.lines.saturating_add(1);
        let with_end = [line.as_slice(), b"\n"].concat();
        let record = Link::read(&with_end).filter(|record| record.journal == self.name);
        let Some(record) = record.filter(|record| record.seq > 0) else {
            self.note(Difference::Odd { at: *at });
            return None;
        };
        let (seq, hash) = (record.seq, LineHash::of(line));
        let last = self.found.range.map_or(0, |range| range.upto);
        if seq <= last {
            self.note(Difference::Repeated(Range::of(seq)));
            return None;
        }
        let is_next = seq == last.saturating_add(1);
        if last > 0 && !is_next {
            self.lost(Range {
                from: last.saturating_add(1),
                upto: seq.saturating_sub(1),
            });
        }
        let before = self.head.filter(|_| is_next).or(genesis(seq));
        self.follow(&record, before, hash);
        self.head = Some(Head::behind(seq, hash));
        let range = self.found.range.get_or_insert(Range::of(seq));
        range.upto = seq;
        Some((seq, hash))
    }

    fn follow(&mut self, record: &Link<'_>, before: Option<Head>, hash: LineHash) {
        let seq = record.seq;
        match before {
            Some(before) if before.precedes(seq, &record.prev).is_err() => {
                self.note(Difference::Chain(Break::Hash { seq }));
            }
            Some(_) => {}
            None => self.seals.begin_after(seq, &record.prev),
        }
        if record.is_checkpoint()
            && let Err(flaw) = self.seals.check(record, before, hash)
        {
            self.note(Difference::Checkpoint { seq, flaw });
        }
    }

    /// Notes what the copy lacks, but for what the sink refused for good.
    fn lost(&mut self, Range { from, upto }: Range) {
        let mut from = from;
        for refused in self.expected.refused.range(from..=upto) {
            self.found.refused = self.found.refused.saturating_add(1);
            if *refused > from {
                let upto = refused.saturating_sub(1);
                note(&mut self.found, Difference::Lost(Range { from, upto }));
            }
            from = refused.saturating_add(1);
        }
        if from <= upto {
            self.note(Difference::Lost(Range { from, upto }));
        }
    }

    fn note(&mut self, difference: Difference) {
        note(&mut self.found, difference);
    }
}

/// Notes a difference; one that goes on where the last of its kind ended belongs to it.
fn note(found: &mut Comparison, difference: Difference) {
    let next = difference.range();
    let same_kind = |other: &&mut Difference| other.word() == difference.word();
    let last = found.differences.iter_mut().rev().find(same_kind);
    if let Some(
        Difference::Other(range)
        | Difference::Ahead(range)
        | Difference::Lost(range)
        | Difference::Repeated(range),
    ) = last
        && range.upto.saturating_add(1) == next.from
    {
        range.upto = next.upto;
    } else if found.differences.len() < MOST_TOLD {
        found.differences.push(difference);
    } else {
        found.untold = found.untold.saturating_add(1);
    }
}

fn grow(range: &mut Option<Range>, seq: u64) {
    range.get_or_insert(Range::of(seq)).upto = seq;
}

fn genesis(seq: u64) -> Option<Head> {
    (seq == 1).then_some(Head::GENESIS)
}

/// Beyond these a person looks at both with other tools.
const MOST_TOLD: usize = 100;
