//! An entry of a bucket, and what comes of writing one.

use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;

/// What stands under a key.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The value; nothing where there is none, or it was deleted.
    pub value: Option<Bytes>,
    /// What the next write has to name; 0 where nothing ever stood there.
    pub revision: u64,
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It stands under this revision.
    At(u64),
    /// Somebody else has written since.
    Conflict,
}

/// A key that was deleted has a message without a value that says so.
pub(in crate::cluster) fn is_deletion(message: &StreamMessage) -> bool {
    let operation = message.headers.get(OPERATION);
    operation.is_some_and(|operation| matches!(operation.as_str(), "DEL" | "PURGE"))
}

/// What a message says of itself that is no value.
pub(in crate::cluster) const OPERATION: &str = "KV-Operation";
