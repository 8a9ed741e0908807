//! Journals to search in, each record of which says by its number what it has to say.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

pub(crate) const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

pub(crate) const CUSTOMERS: [&str; 3] = [
    "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0",
    "b67f0b01-f9e8-4c57-bcb5-0b8b95c6ccf0",
    "b67f0b02-f9e8-4c57-bcb5-0b8b95c6ccf0",
];

/// A journal of so many records in segments that begin with these.
pub(crate) fn journal(records: u64, firsts: &[u64]) -> TempDir {
    let dir = tempfile::tempdir().expect("directory");
    fs::write(dir.path().join("journal.id"), format!("{JOURNAL}\n")).expect("identity");
    let ends = firsts.iter().skip(1).map(|next| next - 1).chain([records]);
    for (first, last) in firsts.iter().zip(ends) {
        append(dir.path(), *first, *first..=last);
    }
    dir
}

/// Writes records to a segment.
pub(crate) fn append(dir: &Path, first: u64, seqs: RangeInclusive<u64>) {
    let text: String = seqs.map(|seq| line(seq) + "\n").collect();
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).open(segment(dir, first));
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("segment");
}

/// Which call a record is of: each has an intent and an outcome.
pub(crate) fn call(seq: u64) -> u64 {
    (seq - 1) / 2
}

/// The line of a record: an outcome where its number is even, else an intent.
pub(crate) fn line(seq: u64) -> String {
    let call = call(seq);
    let (minute, second) = (seq / 60, seq % 60);
    let (hour, minute) = (minute / 60, minute % 60);
    let kind = ["outcome", "intent"][usize::try_from(seq % 2).expect("small")];
    let customer = CUSTOMERS[usize::try_from(call % 3).expect("small")];
    let principal = match call % 5 {
        4 => r#"a \"quoted\" one é"#,
        _ => "billing",
    };
    let ending = match (kind, call % 4) {
        ("intent", _) => "",
        (_, 0) => r#""status":403,"code":"policy_denied","outcome":"refused","forwarded":"no","#,
        _ => r#""status":200,"outcome":"forwarded","forwarded":"yes","attempts":[{"status":400}],"#,
    };
    format!(
        r#"{{"v":1,"journal":"{JOURNAL}","seq":{seq},"id":"{id}","time":"2026-03-01T{hour:02}:{minute:02}:{second:02}.000000Z","kind":"{kind}","call":"{called}","operation":"transfers.reject","customer":"{customer}","transfer":"{transfer}","principal":"{principal}","correlation_id":"{correlation}",{ending}"prev":"{prev:064}"}}"#,
        id = guid(1, seq),
        called = guid(2, call),
        transfer = guid(7, call % 7),
        correlation = guid(9, call),
        prev = seq - 1,
    )
}

pub(crate) fn guid(kind: u64, number: u64) -> String {
    format!("{kind:08x}-0000-7000-8000-{number:012x}")
}

pub(crate) fn segment(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("journal-{first:020}.jsonl"))
}
