//! Holding journals against each other: what each says of the others, and which of them are not there at all.
//!
//! Of each checkpoint, and of each one that was witnessed, its end is kept in memory until all journals have been read.

pub mod account;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    audit::{
        chain::LineHash,
        verify::census::account::{Account, Judged, Seen, parting},
        witness::End,
    },
    ids::JournalId,
};

/// The journals that were read, and what they say of each other.
#[derive(Debug, Default)]
pub struct Census {
    read: BTreeMap<JournalId, Account>,
    /// What disks have of journals that ended because a sink had something else.
    ended: BTreeMap<JournalId, Account>,
    /// Contradictions that were counted: who told, in which record, of which journal and end.
    told: BTreeSet<(JournalId, u64, JournalId, u64)>,
    witnessed: BTreeMap<JournalId, BTreeMap<u64, Vec<Testimony>>>,
    last: BTreeMap<JournalId, Last>,
    apart: Vec<Apart>,
    differences: Vec<Difference>,
}

/// Who says that a journal had an end.
#[derive(Clone, Copy, Debug)]
struct Testimony {
    head: LineHash,
    by: JournalId,
    at: u64,
}

#[derive(Debug)]
struct Last {
    upto: u64,
    time: String,
    by: BTreeSet<JournalId>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Journals that others have witnessed, and that were not read.
    pub missing: Vec<Missing>,
    /// What does not go together.
    pub differences: Vec<Difference>,
    /// Journals that stand in more than one place.
    pub apart: Vec<Apart>,
    /// How much was witnessed of records that retention has removed since.
    pub older: u64,
    /// How much was witnessed and is as it was.
    pub same: u64,
}

/// A journal that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Which one.
    pub journal: JournalId,
    /// The last record that it is known to have had.
    pub upto: u64,
    /// When its checkpoint said so.
    pub time: String,
    /// The journals whose witness records tell.
    pub by: Vec<JournalId>,
}

/// A journal and a witness of it that do not go together; of several of a kind the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The journal that was witnessed.
    pub journal: JournalId,
    /// The journal that has witnessed it.
    pub by: JournalId,
    /// The record that says so there.
    pub at: u64,
    /// The end that it says.
    pub upto: u64,
    /// What is wrong.
    pub kind: Kind,
    /// How many of the kind there are.
    pub count: u64,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The journal has another line there.
    Other,
    /// The journal ends before.
    Short {
        /// Its last record.
        last: u64,
    },
    /// The witness itself has seen it fall back or change.
    Contradicted {
        /// The end that it was known to have.
        known: u64,
    },
}

/// A journal that was read in two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Apart {
    /// Which one.
    pub journal: JournalId,
    /// The last record that both have the same, as far as checkpoints tell, where they go apart behind it.
    pub after: Option<u64>,
}

impl Census {
    /// Takes what was read of a journal.
    pub fn take(&mut self, mut account: Account) {
        let by = account.journal;
        for seen in std::mem::take(&mut account.seen) {
            self.testify(by, seen);
        }
        match self.read.get_mut(&by) {
            Some(before) => {
                let (journal, after) = (by, parting(before, &account));
                self.apart.push(Apart { journal, after });
                if before.last < account.last && after.is_none() {
                    *before = account;
                }
            }
            None => {
                self.read.insert(by, account);
            }
        }
    }

    /// Takes what a disk has of a journal that ended there because a sink had more, or something else. Both are what it
    /// was: a witness that goes together with either is right.
    pub fn take_ended(&mut self, mut account: Account) {
        for seen in std::mem::take(&mut account.seen) {
            self.testify(account.journal, seen);
        }
        self.ended.insert(account.journal, account);
    }

    /// Takes what was read of a journal a second time, in the same place.
    pub fn take_again(&mut self, mut account: Account) {
        account.seen.clear();
        self.read.insert(account.journal, account);
    }

    /// Journals of which more was witnessed than was read, or something else about the last record of it. Where gateways
    /// run it may be there by now.
    #[must_use]
    pub fn behind(&self) -> Vec<JournalId> {
        let is_behind = |read: &&Account| {
            let Some(witnessed) = self.witnessed.get(&read.journal) else {
                return false;
            };
            let mut later = witnessed.range(read.last..);
            let differs =
                |told: &Testimony, upto| matches!(read.judge(upto, told.head), Judged::Differs(_));
            later.any(|(upto, all)| all.iter().any(|told| differs(told, *upto)))
        };
        let behind = self.read.values().filter(is_behind);
        behind.map(|read| read.journal).collect()
    }

    fn testify(&mut self, by: JournalId, seen: Seen) {
        let Seen {
            at,
            journal,
            end: End { upto, head },
            time,
            denied,
        } = seen;
        let is_first = denied.is_some() && self.told.insert((by, at, journal, upto));
        if let Some(known) = denied.filter(|_| is_first) {
            self.differ(
                journal,
                Testimony { head, by, at },
                upto,
                Kind::Contradicted { known },
            );
        }
        if journal == by {
            return;
        }
        let last = self.last.entry(journal).or_insert_with(|| Last {
            upto: 0,
            time: String::new(),
            by: BTreeSet::new(),
        });
        last.by.insert(by);
        if upto >= last.upto {
            (last.upto, last.time) = (upto, time);
        }
        let of = self.witnessed.entry(journal).or_default();
        let all = of.entry(upto).or_default();
        if all.iter().all(|other| other.head != head) {
            all.push(Testimony { head, by, at });
        }
    }

    fn differ(&mut self, journal: JournalId, told: Testimony, upto: u64, kind: Kind) {
        let Testimony { by, at, .. } = told;
        let same = |it: &&mut Difference| {
            let kinds = std::mem::discriminant(&it.kind) == std::mem::discriminant(&kind);
            kinds && it.journal == journal && it.by == by
        };
        match self.differences.iter_mut().find(same) {
            Some(first) => first.count = first.count.saturating_add(1),
            None => self.differences.push(Difference {
                journal,
                by,
                at,
                upto,
                kind,
                count: 1,
            }),
        }
    }

    /// Holds all that was witnessed against what was read.
    #[must_use]
    pub fn close(mut self) -> Report {
        let mut report = Report::default();
        for (journal, ends) in std::mem::take(&mut self.witnessed) {
            let ended = self.ended.remove(&journal);
            let (read, ended) = match (self.read.remove(&journal), ended) {
                (Some(read), ended) => (read, ended),
                (None, Some(ended)) => (ended, None),
                (None, None) => continue,
            };
            let each = ends.into_iter();
            for (upto, told) in
                each.flat_map(|(upto, all)| all.into_iter().map(move |it| (upto, it)))
            {
                match either(&read, ended.as_ref(), upto, told.head) {
                    Judged::Same => report.same = report.same.saturating_add(1),
                    Judged::Older => report.older = report.older.saturating_add(1),
                    Judged::Unknown => {}
                    Judged::Differs(kind) => self.differ(journal, told, upto, kind),
                }
            }
            self.last.remove(&journal);
        }
        for (journal, Last { upto, time, by }) in self.last {
            report.missing.push(Missing {
                journal,
                upto,
                time,
                by: by.into_iter().collect(),
            });
        }
        report.differences = self.differences;
        report.apart = self.apart;
        report
    }
}

/// What becomes of a testimony about a journal that may have ended on a disk, too.
fn either(read: &Account, ended: Option<&Account>, upto: u64, head: LineHash) -> Judged {
    match ended.map(|ended| ended.judge(upto, head)) {
        Some(Judged::Same) => Judged::Same,
        _ => read.judge(upto, head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn judges_each_end_that_was_witnessed() {
        let [own, by] = [(); 2].map(|()| JournalId::random());
        for (upto, line, expected) in [
            (10, "ten", None),
            (10, "other", Some(Kind::Other)),
            (15, "ten", Some(Kind::Other)),
            (21, "later", Some(Kind::Short { last: 20 })),
            (3, "before", None),
            (20, "last", None),
            (20, "other", Some(Kind::Other)),
        ] {
            let mut census = Census::default();
            census.take(Account::made(by, (1, 9), &[], &[(7, own, end(upto, line))]));
            census.take(Account::made(own, (5, 20), &[end(10, "ten")], &[]));

            let report = census.close();

            let kind = report.differences.first().map(|it| it.kind);
            assert_eq!(kind, expected, "{upto}");
            assert_eq!(
                (report.missing.len(), report.older),
                (0, u64::from(upto == 3))
            );
        }
    }

    #[test]
    fn looks_again_at_a_journal_that_was_written_on() {
        let [own, by] = [(); 2].map(|()| JournalId::random());
        let mut census = Census::default();
        census.take(Account::made(own, (1, 9), &[end(8, "eight")], &[]));
        census.take(Account::made(
            by,
            (1, 9),
            &[],
            &[(7, own, end(12, "twelve"))],
        ));

        assert_eq!(census.behind(), [own]);
        let ends = [end(8, "eight"), end(12, "twelve")];
        census.take_again(Account::made(own, (1, 13), &ends, &[]));

        assert_eq!(census.behind(), []);
        let report = census.close();
        assert_eq!(
            (report.same, report.differences, report.apart),
            (1, vec![], vec![])
        );
    }

    #[test]
    fn looks_again_where_the_end_of_the_last_record_is_not_the_one_that_was_witnessed() {
        let [own, by] = [(); 2].map(|()| JournalId::random());
        for (line, again) in [("last", vec![]), ("other", vec![own])] {
            let mut census = Census::default();
            census.take(Account::made(own, (1, 9), &[end(8, "eight")], &[]));
            census.take(Account::made(by, (1, 9), &[], &[(7, own, end(9, line))]));

            assert_eq!(census.behind(), again, "{line}");
        }
    }

    #[test]
    fn takes_the_word_of_either_for_a_journal_that_ended() {
        let [own, by] = [(); 2].map(|()| JournalId::random());
        for (upto, line, differs) in [
            (12, "disk", false),
            (12, "sink", false),
            (15, "sink later", false),
            (12, "neither", true),
        ] {
            let mut census = Census::default();
            let (disk, sink) = ([end(12, "disk")], [end(12, "sink"), end(15, "sink later")]);
            census.take(Account::made(by, (1, 9), &[], &[(7, own, end(upto, line))]));
            census.take_ended(Account::made(own, (1, 13), &disk, &[]));
            census.take(Account::made(own, (1, 16), &sink, &[]));

            let report = census.close();

            assert_eq!(report.differences.is_empty(), !differs, "{line}");
            assert_eq!((report.same, report.apart), (u64::from(!differs), vec![]));
        }
    }

    fn end(upto: u64, line: &str) -> End {
        let head = LineHash::of(line.as_bytes());
        End { upto, head }
    }
}
