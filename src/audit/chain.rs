//! The hash chain: every record names the SHA-256 of the line before it.

use std::fmt;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use serde::Deserialize;

/// The end of a chain: the last record's number and the hash of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    seq: u64,
    hash: LineHash,
    checkpoint: LineHash,
}

/// The SHA-256 of a line without its newline; writes itself as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LineHash([u8; SHA256_OUTPUT_LEN]);

/// A line does not follow the one before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Break {
    /// The line is not a record.
    #[error("record {expected} is not a record of the journal")]
    NotARecord {
        /// The number that was due.
        expected: u64,
    },
    /// A record is missing, or one too many.
    #[error("record {expected} is due, but record {found} stands there")]
    Number {
        /// The number that was due.
        expected: u64,
        /// The number that stands there.
        found: u64,
    },
    /// The record before this one has been changed, or this one has.
    #[error("record {seq} names another line than the one before it")]
    Hash {
        /// The record that names the wrong line.
        seq: u64,
    },
}

impl Break {
    /// The number of the first record that is not as it should be.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::NotARecord { expected } | Self::Number { expected, .. } => *expected,
            Self::Hash { seq } => *seq,
        }
    }
}

impl Head {
    /// The head of a journal without records.
    pub const GENESIS: Self = Self {
        seq: 0,
        hash: LineHash::NONE,
        checkpoint: LineHash::NONE,
    };

    /// The number of the last record; 0 where there is none.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// The hash of the last line; zeros where there is none.
    #[must_use]
    pub fn hash(&self) -> LineHash {
        self.hash
    }

    /// The hash of the last checkpoint's line; zeros where there is none.
    #[must_use]
    pub fn checkpoint(&self) -> LineHash {
        self.checkpoint
    }

    /// Moves on to a line that was built to follow this head.
    #[must_use]
    pub fn then(&self, line: &[u8]) -> Self {
        Self {
            seq: self.seq.saturating_add(1),
            hash: LineHash::of(line),
            checkpoint: self.checkpoint,
        }
    }

    /// Moves on to a checkpoint's line that was built to follow this head.
    #[must_use]
    pub fn then_checkpoint(&self, line: &[u8]) -> Self {
        let then = self.then(line);
        Self {
            checkpoint: then.hash,
            ..then
        }
    }

    /// Moves on to a line that was read, without its newline, if it follows this head.
    ///
    /// # Errors
    ///
    /// When the line is no record, has another number, or names another line before it.
    pub fn follow(&self, line: &[u8]) -> Result<Self, Break> {
        let expected = self.seq.saturating_add(1);
        let read: Link =
            serde_json::from_slice(line).map_err(|_| Break::NotARecord { expected })?;
        self.precedes(read.seq, &read.prev)?;
        Ok(match &*read.kind {
            CHECKPOINT => self.then_checkpoint(line),
            _ => self.then(line),
        })
    }

    /// Holds what a record says of itself and of the one before it against this head.
    ///
    /// # Errors
    ///
    /// When it has another number, or names another line before it.
    pub(in crate::audit) fn precedes(&self, seq: u64, prev: &str) -> Result<(), Break> {
        let expected = self.seq.saturating_add(1);
        if seq != expected {
            return Err(Break::Number {
                expected,
                found: seq,
            });
        }
        if prev != self.hash.to_string() {
            return Err(Break::Hash { seq });
        }
        Ok(())
    }

    /// Starts in the middle of a chain: takes a line's word for what came before it. Checkpoints before
    /// it are not known.
    ///
    /// # Errors
    ///
    /// When the line is no record.
    pub fn resume(line: &[u8]) -> Result<Self, Break> {
        let read: Link =
            serde_json::from_slice(line).map_err(|_| Break::NotARecord { expected: 0 })?;
        let before = Self {
            seq: read.seq.saturating_sub(1),
            ..Self::GENESIS
        };
        Ok(match &*read.kind {
            CHECKPOINT => before.then_checkpoint(line),
            _ => before.then(line),
        })
    }
}

impl LineHash {
    /// What stands where there is no line.
    pub const NONE: Self = Self([0; SHA256_OUTPUT_LEN]);

    /// Hashes a line without its newline.
    #[must_use]
    pub fn of(line: &[u8]) -> Self {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        hash.copy_from_slice(digest(&SHA256, line).as_ref());
        Self(hash)
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The part of a record that ties it to the one before.
#[derive(Deserialize)]
struct Link {
    seq: u64,
    #[serde(default)]
    kind: String,
    prev: String,
}

/// The kind of a record that signs the chain up to the line before it.
pub const CHECKPOINT: &str = "checkpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_only_the_line_that_comes_next() {
        let first = format!(r#"{{"seq":1,"prev":"{}"}}"#, "0".repeat(64));
        let one = Head::GENESIS.follow(first.as_bytes()).unwrap();
        let second = format!(r#"{{"seq":2,"prev":"{}"}}"#, one.hash());

        assert_eq!(one.follow(second.as_bytes()).unwrap().seq(), 2);
        assert_eq!(
            Head::GENESIS.follow(second.as_bytes()),
            Err(Break::Number {
                expected: 1,
                found: 2
            })
        );
        let forged = format!(r#"{{"seq":2,"prev":"{}"}}"#, "0".repeat(64));
        assert_eq!(one.follow(forged.as_bytes()), Err(Break::Hash { seq: 2 }));
        assert_eq!(one.follow(b"{"), Err(Break::NotARecord { expected: 2 }));
    }
}
