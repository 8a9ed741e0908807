//! What of a line is read to follow a journal: the links of the chain, and what opens, closes, signs or removes.
//! A start and `audit verify` read the same, so that neither takes for a record what the other does not.

use std::borrow::Cow;

use serde::Deserialize;

use crate::audit::{
    chain::{CHECKPOINT, LineHash},
    record::LONGEST_BYTES,
};

/// A record's members that tie it to others, parsed once. Whatever is a link of the chain is a record; members
/// that a record must have besides are judged one by one.
#[derive(Debug, Deserialize)]
pub(in crate::audit) struct Link<'a> {
    pub(in crate::audit) seq: u64,
    #[serde(borrow, default)]
    pub(in crate::audit) id: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::audit) prev: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) journal: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) time: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::audit) call: Option<Cow<'a, str>>,
    pub(in crate::audit) upto: Option<u64>,
    #[serde(borrow)]
    pub(in crate::audit) head: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(in crate::audit) checkpoint: Option<Cow<'a, str>>,
    pub(in crate::audit) cut: Option<CutFile>,
    #[serde(borrow)]
    pub(in crate::audit) transfer: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(in crate::audit) key_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(in crate::audit) signature: Option<Cow<'a, str>>,
}

/// Where a torn tail is kept, as a `recovered` record names it.
#[derive(Debug, Deserialize)]
pub(in crate::audit) struct CutFile {
    pub(in crate::audit) file: String,
}

/// What a `pruned` record says of the records that retention removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) struct Pruned {
    /// The last one that was removed.
    pub(in crate::audit) upto: u64,
    /// The hash of its line.
    pub(in crate::audit) head: LineHash,
    /// The hash of the last checkpoint's line among them; zeros where there was none.
    pub(in crate::audit) checkpoint: LineHash,
}

impl<'a> Link<'a> {
    /// Reads a line with its newline; nothing where it is no whole record, all of which is text.
    pub(in crate::audit) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_str(record(line)?).ok()
    }

    pub(in crate::audit) fn is_checkpoint(&self) -> bool {
        self.kind == CHECKPOINT
    }

    /// What was removed, where this is the record of it.
    pub(in crate::audit) fn pruned(&self) -> Option<Pruned> {
        if self.kind != PRUNED {
            return None;
        }
        Some(Pruned {
            upto: self.upto?,
            head: self.head.as_deref()?.parse().ok()?,
            checkpoint: self.checkpoint.as_deref()?.parse().ok()?,
        })
    }
}

/// The text of a line with its newline, where it may be that of a record: of no more bytes than a record has,
/// UTF-8, and one object without anything around it.
fn record(line: &[u8]) -> Option<&str> {
    let whole = line.strip_suffix(b"\n")?;
    let bound = usize::try_from(LONGEST_BYTES).unwrap_or(usize::MAX);
    let is_bare = whole.starts_with(b"{") && whole.ends_with(b"}");
    let text = str::from_utf8(whole).ok()?;
    (is_bare && whole.len() <= bound).then_some(text)
}

/// Whether a whole record begins somewhere in these bytes but at their very beginning, as it does where
/// the line end before it was changed. A crash that tears bytes off a
/// record leaves none that is whole behind them; one that leaves a hole is for a person to judge.
pub(in crate::audit) fn has_record_inside(bytes: &[u8]) -> bool {
    let starts = bytes.windows(START.len()).enumerate().skip(1);
    starts
        .filter(|(_, window)| *window == START)
        .filter_map(|(at, _)| bytes.get(at..))
        .any(|rest| {
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<Link<'_>>();
            matches!(values.next(), Some(Ok(_)))
        })
}

/// The kind of a record that tells which ones retention removed.
pub(in crate::audit) const PRUNED: &str = "pruned";

/// In bytes, what is read of a line at most: eight times what a record may have, so that every record ever
/// written is read whole.
pub(in crate::audit) const LONGEST_LINE: u64 = 64 << 10;

/// How each record begins.
const START: &[u8] = br#"{"v":"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_whole_record_behind_the_beginning_of_a_line_and_nothing_else() {
        let record = br#"{"v":1,"seq":2,"prev":"00"}"#;
        let half = &record[..record.len() - 1];
        let found = [
            [&b"x"[..], record].concat(),
            [record, &b"\x0b"[..], record, b"\n"].concat(),
            [half, record, half].concat(),
        ];
        let none = [
            record.to_vec(),
            [record, half].concat(),
            br#"x{"v":1}"#.to_vec(),
            br#"{"v":1,"attempts":[{"v":1}]"#.to_vec(),
        ];

        assert!(found.iter().all(|bytes| has_record_inside(bytes)));
        assert!(!none.iter().any(|bytes| has_record_inside(bytes)));
    }
}
