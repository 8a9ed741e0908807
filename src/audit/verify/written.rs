//! The members of a line that verifying it needs.

use std::borrow::Cow;

use serde::Deserialize;

use crate::audit::link;

/// A record as it stands in the journal. Whatever is a link of the chain is a record; members that a
/// record must have besides are judged one by one.
#[derive(Debug, Deserialize)]
pub(in crate::audit) struct Written<'a> {
    pub(in crate::audit) seq: u64,
    #[serde(borrow)]
    pub(in crate::audit) prev: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) journal: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) time: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(in crate::audit) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(in crate::audit) transfer: Option<Cow<'a, str>>,
    pub(in crate::audit) upto: Option<u64>,
    pub(in crate::audit) head: Option<String>,
    pub(in crate::audit) key_id: Option<String>,
    pub(in crate::audit) signature: Option<String>,
}

impl<'a> Written<'a> {
    /// Reads a line with its newline; nothing where it is no whole record.
    pub(in crate::audit) fn read(line: &'a [u8]) -> Option<Self> {
        serde_json::from_str(link::record(line)?).ok()
    }

    pub(in crate::audit) fn is_checkpoint(&self) -> bool {
        self.kind == "checkpoint"
    }
}
