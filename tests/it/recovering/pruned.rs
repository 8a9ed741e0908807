//! Journals whose beginning is gone: removed by retention, which a `pruned` record tells, or otherwise.

use std::{fs, path::Path, time::SystemTime};

use partner_gateway::{
    audit::{
        chain::{Head, LineHash},
        record::Draft,
        verify::findings::Fault,
    },
    ids::{BootId, JournalId},
};
use tempfile::TempDir;

use super::{directory, opened, refusal};
use crate::verifying::made::{findings, segment};

/// A journal of records that the gateway's own code makes, four in a segment and without checkpoints.
struct Journal {
    id: JournalId,
    boot: BootId,
    heads: Vec<Head>,
    lines: Vec<Vec<u8>>,
}

#[test]
fn goes_on_behind_what_retention_removed() {
    let journal = Journal::with(12, &[(10, 4, "checkpoint")]);
    let dir = journal.written(5);

    let opened = opened(dir.path()).unwrap();

    assert_eq!(opened.head, journal.heads[12], "it is signed on from there");
    assert_eq!(findings(dir.path(), None, &[]).damage, None);
}

#[test]
fn goes_on_where_retention_was_killed_before_it_had_removed_all() {
    for first in [1, 5, 9, 13] {
        let journal = Journal::with(16, &[(14, 12, "checkpoint")]);
        let dir = journal.written(first);

        assert_eq!(opened(dir.path()).unwrap().head.seq(), 16);
        assert_eq!(findings(dir.path(), None, &[]).damage, None);
    }
}

#[test]
fn goes_by_the_pruned_record_that_fits() {
    let all = [(6, 4, "one"), (13, 8, "two"), (17, 12, "three")];
    let journal = Journal::with(20, &all);
    for first in [5, 9, 13] {
        let dir = journal.written(first);

        let opened = opened(dir.path()).unwrap();

        assert_eq!(opened.head, journal.heads[20], "{first}");
        assert_eq!(findings(dir.path(), None, &[]).damage, None);
    }
    let dir = journal.written(17);
    let (seq, first) = (13, 17);
    assert_eq!(refusal(dir.path()), (13, Fault::Beginning { seq, first }));
}

#[test]
fn refuses_a_beginning_that_no_pruned_record_tells_of() {
    let none = Journal::with(12, &[]).written(5);
    let (seq, first) = (1, 5);
    assert_eq!(refusal(none.path()), (1, Fault::Beginning { seq, first }));

    let before = Journal::with(16, &[(14, 4, "checkpoint")]).written(9);
    let (seq, first) = (5, 9);
    assert_eq!(refusal(before.path()), (5, Fault::Beginning { seq, first }));

    let mut journal = Journal::with(12, &[(10, 4, "checkpoint")]);
    journal.rewrite(4);
    let other = journal.written(5);
    let (seq, first) = (4, 5);
    assert_eq!(refusal(other.path()), (4, Fault::Beginning { seq, first }));

    let unsigned = Journal::with(12, &[(12, 4, "checkpoint")]).written(5);
    let (seq, first) = (1, 5);
    assert_eq!(
        refusal(unsigned.path()),
        (1, Fault::Beginning { seq, first })
    );
}

#[test]
fn cuts_nothing_off_a_journal_whose_beginning_is_missing() {
    let journal = Journal::with(12, &[(12, 4, "checkpoint")]);
    let dir = journal.written(5);
    let last = segment(dir.path(), 9);
    let whole = fs::read(&last).unwrap();
    // The record that tells of what was removed is torn, though it was durable before.
    fs::write(&last, &whole[..whole.len() - 1]).unwrap();

    let (seq, first) = (1, 5);
    assert_eq!(refusal(dir.path()), (1, Fault::Beginning { seq, first }));
}

#[test]
fn tells_nothing_of_tails_of_segments_that_are_removed() {
    let journal = Journal::with(12, &[(10, 4, "checkpoint")]);
    let dir = journal.written(5);
    let cut = dir.path().join("cut");
    fs::create_dir(&cut).unwrap();
    let name = |first: u64| format!("journal-{first:020}.jsonl.17.0011");
    for first in [1, 9] {
        fs::write(cut.join(name(first)), "torn").unwrap();
    }
    fs::write(cut.join("notes.txt"), "of somebody").unwrap();

    let recovered = opened(dir.path()).unwrap().recovered;

    let told: Vec<_> = recovered.iter().map(|it| it.cut.file.clone()).collect();
    assert_eq!(told, [format!("cut/{}", name(9))]);
}

impl Journal {
    /// So many records, of which some are `pruned`: number, last record removed, last checkpoint's line.
    fn with(records: u64, pruned: &[(u64, u64, &str)]) -> Self {
        let mut journal = Self {
            id: JournalId::random(),
            boot: BootId::next(),
            heads: vec![Head::GENESIS],
            lines: Vec::new(),
        };
        for seq in 1..=records {
            let told = pruned.iter().find(|(number, ..)| *number == seq);
            let draft = match told {
                Some((_, upto, checkpoint)) => {
                    let head = journal.heads[usize::try_from(*upto).unwrap()].hash();
                    let checkpoint = LineHash::of(checkpoint.as_bytes());
                    Draft::pruned(journal.boot, *upto, head, checkpoint)
                }
                None if pruned.iter().any(|(number, ..)| number + 1 == seq) => {
                    let over = *journal.heads.last().unwrap();
                    let signed = Draft::checkpoint(journal.boot, &over, "0000000000000000", "");
                    journal.push_checkpoint(&signed);
                    continue;
                }
                None => Draft::stopped(journal.boot),
            };
            journal.push(&draft);
        }
        journal
    }

    /// The checkpoint that covers what a `pruned` record tells.
    fn push_checkpoint(&mut self, draft: &Draft) {
        let over = *self.heads.last().unwrap();
        self.push(draft);
        let line = self.lines.last().unwrap();
        *self.heads.last_mut().unwrap() = over.then_checkpoint(line);
    }

    fn push(&mut self, draft: &Draft) {
        let head = *self.heads.last().unwrap();
        let line = draft.line(self.id, head.seq() + 1, SystemTime::UNIX_EPOCH, head.hash());
        self.heads.push(head.then(&line));
        self.lines.push(line);
    }

    /// Puts another record in the place of one, and chains those after it anew.
    fn rewrite(&mut self, seq: usize) {
        let after = self.lines.split_off(seq - 1);
        self.heads.truncate(seq);
        self.push(&Draft::started(self.boot, "0000000000000000", None));
        for line in &after[1..] {
            let head = *self.heads.last().unwrap();
            let before: serde_json::Value = serde_json::from_slice(line).unwrap();
            let text = String::from_utf8(line.clone()).unwrap();
            // A checkpoint names the line before it twice.
            let named = before["prev"].as_str().unwrap();
            let line = text.replace(named, &head.hash().to_string());
            self.heads.push(head.then(line.as_bytes()));
            self.lines.push(line.into_bytes());
        }
    }

    /// Puts the segments from one on upon the disk.
    fn written(&self, from: u64) -> TempDir {
        let dir = directory();
        fs::write(dir.path().join("journal.id"), format!("{}\n", self.id)).unwrap();
        for (index, lines) in (0..).zip(self.lines.chunks(4)) {
            let first = index * 4 + 1;
            if first >= from {
                put(&segment(dir.path(), first), lines);
            }
        }
        dir
    }
}

fn put(path: &Path, lines: &[Vec<u8>]) {
    let lines = lines.iter().flat_map(|line| [line, &b"\n"[..]].concat());
    fs::write(path, lines.collect::<Vec<u8>>()).unwrap();
}
