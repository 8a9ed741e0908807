//! Records made by hand: the lines of a journal that nobody wrote.

use partner_gateway::{
    audit::chain::LineHash,
    delivery::{
        batch::{Batch, Line},
        sink::Standing,
    },
    ids::{JournalId, RecordId},
};

/// A journal's first records.
pub(crate) fn records(journal: JournalId, count: u64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for seq in 1..=count {
        let prev = lines.last().map_or(LineHash::NONE, |line| line.hash);
        lines.push(record(journal, seq, prev, "rejected"));
    }
    lines
}

/// One record, with words of somebody's choosing for its outcome.
pub(crate) fn record(journal: JournalId, seq: u64, prev: LineHash, outcome: &str) -> Line {
    let id = RecordId::next();
    let outcome = serde_json::to_string(outcome).expect("JSON");
    let text = format!(
        r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"{id}","time":"2026-11-22T04:00:00.{seq:06}Z","kind":"outcome","call":"{CALL}","operation":"transfers.reject","customer":"{CUSTOMER}","transfer":"{TRANSFER}","principal":"billing","correlation_id":"{CORRELATION}","status":200,"outcome":{outcome},"prev":"{prev}"}}"#
    );
    let hash = LineHash::of(text.as_bytes());
    Line {
        seq,
        id,
        text,
        hash,
    }
}

/// Some of them, to be handed over at once.
pub(crate) fn batch(journal: JournalId, lines: &[Line]) -> Batch {
    Batch::of(journal, lines.to_vec()).expect("lines")
}

/// What a sink says that has everything up to a line.
pub(crate) fn upto(line: &Line) -> Standing {
    Standing::Upto {
        seq: line.seq,
        hash: line.hash,
    }
}

/// Their texts.
pub(crate) fn texts(lines: &[Line]) -> Vec<String> {
    lines.iter().map(|line| line.text.clone()).collect()
}

pub(crate) const CALL: &str = "019aa9d5-4d3e-7c1e-8f0a-5a1e9b7c3d21";
pub(crate) const CUSTOMER: &str = "b67f0b00-f9e8-4c57-bcb5-0b8b95c6ccf0";
pub(crate) const TRANSFER: &str = "ac4a9d22-ba07-444e-890f-cfe084eed498";
pub(crate) const CORRELATION: &str = "4bd8b1a5-6d2f-4c11-9c4f-7d2b6f3a9e01";
