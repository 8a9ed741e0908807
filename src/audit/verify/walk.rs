//! The walk along the chain, record by record.

mod blame;
mod ending;

use std::mem;

use crate::{
    audit::{
        chain::{Break, Head},
        link::{Link, has_record_inside},
        low_water::LowWater,
        verify::{
            Evidence, Progress, Unreadable,
            findings::{Damage, Fault, Record, Unfinished},
            kept::Kept,
            lines::{Lines, Next, Spot},
            marks::Marks,
            seals::Seals,
        },
    },
    ids::JournalId,
};

/// How far a journal has been read.
pub(in crate::audit::verify) struct Walk<'a> {
    journal: JournalId,
    /// The same as records spell it.
    name: String,
    lines: Lines,
    seals: Seals<'a>,
    marks: Marks<'a>,
    kept: &'a Kept,
    kept_found: usize,
    /// Where the first record of a journal begins after 1, nothing is known of the one before it.
    head: Option<Head>,
    /// The head before the last record.
    before: Option<Head>,
    /// Where the last record stands.
    last: Option<Spot>,
    /// Where the first checkpoint stands.
    checkpoint: Option<Spot>,
    pub(in crate::audit::verify) records: u64,
    first: Option<Record>,
    last_time: String,
    /// The line that is being looked at; kept for its memory.
    line: Vec<u8>,
}

/// What came of one step.
pub(in crate::audit::verify) enum Step {
    /// A record that is as it should be.
    On,
    /// Nothing more.
    End,
    /// Nothing more but what is no record.
    Unfinished(Unfinished),
    /// The first thing that is wrong.
    Damaged(Damage),
}

impl<'a> Walk<'a> {
    pub(in crate::audit::verify) fn new(
        journal: JournalId,
        lines: Lines,
        evidence: Evidence<'a>,
        low_water: &'a LowWater,
    ) -> Self {
        let is_whole = lines.first().is_none_or(|first| first <= 1);
        Self {
            journal,
            name: journal.to_string(),
            marks: Marks::new(low_water, lines.first()),
            lines,
            seals: Seals::new(journal, evidence.keys),
            kept: evidence.kept,
            kept_found: 0,
            head: is_whole.then_some(Head::GENESIS),
            before: None,
            last: None,
            checkpoint: None,
            records: 0,
            first: None,
            last_time: String::new(),
            line: Vec::new(),
        }
    }

    fn due(&self) -> u64 {
        let first = self.lines.first().unwrap_or(1);
        self.head.map_or(first, |head| head.seq().saturating_add(1))
    }

    /// Takes one step; a record that is as it should be is handed on, with its line.
    pub(in crate::audit::verify) fn step(
        &mut self,
        each: &mut dyn FnMut(&Link<'_>, &[u8]),
    ) -> Result<Step, Unreadable> {
        let mut line = mem::take(&mut self.line);
        let step = self.step_to(&mut line, each);
        self.line = line;
        step
    }

    fn step_to(
        &mut self,
        line: &mut Vec<u8>,
        each: &mut dyn FnMut(&Link<'_>, &[u8]),
    ) -> Result<Step, Unreadable> {
        let due = self.due();
        let spot = match self.lines.next(due, line)? {
            Next::End => return Ok(Step::End),
            Next::Misnamed(spot, found) => {
                let expected = due;
                let fault = Break::Number { expected, found }.into();
                return Ok(Step::Damaged(self.damage(fault, spot)));
            }
            Next::Line(spot) => spot,
        };
        let Some(record) = Link::read(line) else {
            return self.not_a_record(spot, line);
        };
        let whole = line.strip_suffix(b"\n").unwrap_or(line);
        self.marks.note_end(self.head, self.last, spot);
        match self.take(&record, whole) {
            Ok(()) => {
                self.last = Some(spot);
                if record.is_checkpoint() {
                    self.checkpoint.get_or_insert(spot);
                }
                each(&record, whole);
                Ok(Step::On)
            }
            Err(fault) => self.blame(fault, &record, whole, spot).map(Step::Damaged),
        }
    }

    /// Moves on to a record, if it is the one that is due.
    fn take(&mut self, record: &Link<'_>, line: &[u8]) -> Result<(), Fault> {
        let expected = self.due();
        let seq = record.seq;
        if record.journal != self.name {
            let found = record.journal.chars().take(64).collect();
            return Err(Fault::Foreign {
                seq: expected,
                found,
            });
        }
        let next = match self.head {
            Some(head) => {
                head.precedes(seq, &record.prev)?;
                head.then(line)
            }
            None if seq == expected => {
                self.seals.begin_after(seq, &record.prev);
                let before = Head::before(seq, &record.prev).ok_or(Break::Hash { seq })?;
                self.marks.begin_after(before);
                before.then(line)
            }
            None => {
                return Err(Break::Number {
                    expected,
                    found: seq,
                }
                .into());
            }
        };
        if record.is_checkpoint() {
            let checked = self.seals.check(record, self.head, next.hash());
            checked.map_err(|flaw| Fault::Checkpoint { seq, flaw })?;
        }
        match self.kept.agrees(seq, next.hash()) {
            Some(false) => return Err(Fault::Kept { seq }),
            Some(true) => self.kept_found = self.kept_found.saturating_add(1),
            None => {}
        }
        self.marks.check(record, next.hash())?;
        if let Some(upto) = record.upto.filter(|_| record.is_checkpoint()) {
            self.marks.note_signed(upto);
        }
        self.before = self.head.replace(next);
        self.records = self.records.saturating_add(1);
        self.last_time.clear();
        self.last_time.push_str(&record.time);
        self.first
            .get_or_insert_with(|| Record::at(seq, &record.time));
        Ok(())
    }

    /// A line that is no record is what a crash, or a gateway that is writing, leaves behind; unless a
    /// record comes after it.
    fn not_a_record(&mut self, spot: Spot, line: &[u8]) -> Result<Step, Unreadable> {
        let expected = self.due();
        let damage = self.damage(Break::NotARecord { expected }.into(), spot);
        if !self.lines.is_in_last(spot) || has_record_inside(line) {
            return Ok(Step::Damaged(damage));
        }
        // What the gateway is writing at this moment must not be taken for the rest of this line.
        let mut goes_on = line.ends_with(b"\n") || Lines::is_cut(line);
        let mut rest = Vec::new();
        while goes_on && self.lines.rest(&mut rest)? {
            if Link::read(&rest).is_some() || has_record_inside(&rest) {
                return Ok(Step::Damaged(damage));
            }
            goes_on = rest.ends_with(b"\n") || Lines::is_cut(&rest);
        }
        Ok(Step::Unfinished(Unfinished {
            bytes: self.lines.here().offset.saturating_sub(spot.offset),
            path: damage.path,
            offset: spot.offset,
        }))
    }

    pub(in crate::audit::verify) fn progress(&self) -> Progress {
        let (bytes, total_bytes) = self.lines.bytes();
        Progress {
            records: self.records,
            bytes,
            total_bytes,
        }
    }

    fn damage(&self, fault: Fault, spot: Spot) -> Damage {
        Damage::new(fault, self.lines.path(spot), spot.offset)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write as _};

    use super::*;

    #[test]
    fn takes_what_the_gateway_writes_meanwhile_for_no_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal-00000000000000000001.jsonl");
        let first = format!(r#"{{"seq":1,"prev":"{}"}}"#, "0".repeat(64));
        let (half, rest) = first.as_bytes().split_at(10);
        fs::write(&path, half).unwrap();
        let kept = Kept::default();
        let (keys, kept) = (&[][..], &kept);
        let lines = Lines::of(dir.path()).unwrap();
        let low_water = LowWater::default();
        let evidence = Evidence { keys, kept };
        let mut walk = Walk::new(JournalId::random(), lines, evidence, &low_water);
        let mut line = Vec::new();
        let Next::Line(spot) = walk.lines.next(1, &mut line).unwrap() else {
            panic!("half a line")
        };
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        let second = r#"{"seq":2,"prev":""}"#;
        file.write_all(&[rest, b"\n", second.as_bytes(), b"\n"].concat())
            .unwrap();

        let step = walk.not_a_record(spot, &line).unwrap();

        assert!(matches!(
            step,
            Step::Unfinished(Unfinished { bytes: 10, .. })
        ));
    }
}
