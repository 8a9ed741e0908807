//! Reads a journal as an outsider would: lines, SHA-256, nothing of the gateway's own code.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard},
};

use aws_lc_rs::digest;
use serde_json::Value;

use super::{canary, described};

/// A journal that is read further as it grows.
pub(crate) struct Journal {
    dir: PathBuf,
    read: Mutex<Read>,
}

#[derive(Default)]
struct Read {
    bytes: HashMap<PathBuf, u64>,
    head: Option<String>,
    records: Vec<Value>,
    outcomes: HashMap<String, usize>,
    ended: HashSet<String>,
}

impl Journal {
    pub(crate) fn of(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            read: Mutex::default(),
        }
    }

    /// Reads what was written since the last time, checking number and hash of every line.
    pub(crate) fn read_on(&self) {
        let mut read = self.read();
        for path in segments(&self.dir) {
            let from = read.bytes.get(&path).copied().unwrap_or(0);
            let mut new = Vec::new();
            let mut segment = File::open(&path).expect("segment");
            segment
                .seek(SeekFrom::Start(from))
                .expect("segments only grow");
            segment.read_to_end(&mut new).expect("segment");
            canary::assert_untold("the journal", without_signatures(&new).as_bytes());
            // Of other calls that are under way, a line may be half written.
            let whole = new.iter().rposition(|byte| *byte == b'\n');
            let more = whole.map_or(0, |last| last + 1);
            new.truncate(more);
            for line in new.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\n").expect("whole line");
                read.take(line);
            }
            read.bytes
                .insert(path, from + u64::try_from(more).expect("size"));
        }
    }

    /// All records so far.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.read().records.clone()
    }

    /// The records of one kind.
    pub(crate) fn of_kind(&self, kind: &str) -> Vec<Value> {
        let read = self.read();
        let of_kind = read.records.iter().filter(|it| it["kind"] == kind);
        of_kind.cloned().collect()
    }

    /// The kinds of the last two records.
    pub(crate) fn last_kinds(&self) -> [String; 2] {
        let read = self.read();
        let [.., before, last] = &read.records[..] else {
            panic!("two records")
        };
        [before, last].map(|it| it["kind"].as_str().expect("kind").to_owned())
    }

    /// How many outcome records there are.
    pub(crate) fn outcomes(&self) -> usize {
        self.read().outcomes.len()
    }

    /// The outcome record that an answer names; there must be exactly one.
    pub(crate) fn outcome(&self, id: &str) -> Value {
        let read = self.read();
        let place = *read
            .outcomes
            .get(id)
            .unwrap_or_else(|| panic!("no outcome record {id}"));
        read.records[place].clone()
    }

    /// How many answers with which code each summary record tells, by its ID.
    pub(crate) fn summed_up(&self) -> BTreeMap<(String, String), u64> {
        let mut told = BTreeMap::new();
        for summary in self.of_kind("summary") {
            let id = summary["id"].as_str().expect("id");
            for count in summary["counts"].as_array().expect("counts") {
                let code = count["code"].as_str().expect("code");
                let key = (id.to_owned(), code.to_owned());
                *told.entry(key).or_default() += count["count"].as_u64().expect("count");
            }
        }
        told
    }

    fn read(&self) -> MutexGuard<'_, Read> {
        self.read.lock().expect("journal")
    }
}

impl Read {
    fn take(&mut self, line: &[u8]) {
        assert!(line.len() <= 8192, "a record is over 8 KiB");
        let record: Value = serde_json::from_slice(line).expect("record");
        described::record(&record);
        let seq = u64::try_from(self.records.len()).expect("count") + 1;
        assert_eq!(record["seq"], seq, "numbers without gaps");
        let before = self.head.clone().unwrap_or_else(|| "0".repeat(64));
        assert_eq!(
            record["prev"],
            before.as_str(),
            "record {seq} breaks the chain"
        );
        self.head = Some(hex(digest::digest(&digest::SHA256, line).as_ref()));
        if record["kind"] == "outcome" {
            let id = record["id"].as_str().expect("id").to_owned();
            let repeated = self.outcomes.insert(id, self.records.len());
            assert_eq!(repeated, None, "an outcome record stands there twice");
            let call = record["call"].as_str().expect("call").to_owned();
            assert!(self.ended.insert(call), "a call has two outcomes: {record}");
        }
        self.records.push(record);
    }
}

/// What a journal says but for the signatures of its checkpoints: in what is as good as random anything
/// can turn up, also what looks like a JWT.
fn without_signatures(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut parts = text.split(SIGNATURE);
    let mut left = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (signature, rest) = part.split_once('"').unwrap_or((part, ""));
        assert!(signature.len() <= 88, "longer than a signature");
        left.push_str(rest);
    }
    left
}

const SIGNATURE: &str = r#""signature":""#;

/// The segments of a journal in the order of their names.
pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("journal directory");
    let mut segments: Vec<_> = entries
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect();
    segments.sort();
    segments
}

/// The SHA-256 of a text, in hexadecimal digits.
pub(crate) fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble| char::from_digit(u32::from(nibble), 16).expect("a nibble");
    let digits = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(digits).collect()
}
