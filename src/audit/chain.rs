//! The hash chain: every record names the SHA-256 of the line before it.

use std::{fmt, str::FromStr};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::audit::link::Link;

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

    /// The head behind a record of which no more is known; checkpoints before it are not.
    #[must_use]
    pub fn behind(seq: u64, hash: LineHash) -> Self {
        Self {
            seq,
            hash,
            checkpoint: LineHash::NONE,
        }
    }

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
    /// When it has another number, or names another line before it.
    pub(in crate::audit) fn follow(&self, record: &Link<'_>, line: &[u8]) -> Result<Self, Break> {
        self.precedes(record.seq, &record.prev)?;
        Ok(self.then_read(record, line))
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
        if !self.hash.is_spelled(prev) {
            return Err(Break::Hash { seq });
        }
        Ok(())
    }

    /// Starts in the middle of a chain: takes a record's word for what came before it. Checkpoints before
    /// it are not known. Nothing where that is no hash.
    #[must_use]
    pub(in crate::audit) fn before(seq: u64, prev: &str) -> Option<Self> {
        Some(Self::behind(seq.checked_sub(1)?, prev.parse().ok()?))
    }

    fn then_read(&self, record: &Link<'_>, line: &[u8]) -> Self {
        if record.is_checkpoint() {
            self.then_checkpoint(line)
        } else {
            self.then(line)
        }
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

    /// Whether a text is how it is written; compares without writing, because every line is held against
    /// the one before it.
    #[must_use]
    pub fn is_spelled(&self, text: &str) -> bool {
        text.bytes().eq(self.digits())
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.0.iter().flat_map(|byte| spelled(*byte))
    }
}

fn spelled(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|nibble| match nibble {
        0..10 => b'0'.wrapping_add(nibble),
        _ => b'a'.wrapping_add(nibble).wrapping_sub(10),
    })
}

/// The text is not a SHA-256 in 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl FromStr for LineHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut hash = [0; SHA256_OUTPUT_LEN];
        let mut digits = text.bytes().map(digit);
        for byte in &mut hash {
            let high = digits.next().flatten().ok_or(NotAHash)?;
            let low = digits.next().flatten().ok_or(NotAHash)?;
            *byte = high << 4 | low;
        }
        digits
            .next()
            .is_none()
            .then_some(Self(hash))
            .ok_or(NotAHash)
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every record has three of them; digit by digit they would take longer than all the rest of its line.
        let mut text = [0; 2 * SHA256_OUTPUT_LEN];
        let (places, _) = text.as_chunks_mut();
        for (place, byte) in places.iter_mut().zip(self.0) {
            *place = spelled(byte);
        }
        f.write_str(str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The kind of a record that signs the chain up to the line before it.
pub const CHECKPOINT: &str = "checkpoint";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_only_the_line_that_comes_next() {
        let follow = |head: Head, line: &str| {
            let link = serde_json::from_str(line).unwrap();
            head.follow(&link, line.as_bytes())
        };
        let first = format!(r#"{{"seq":1,"prev":"{}"}}"#, "0".repeat(64));
        let one = follow(Head::GENESIS, &first).unwrap();
        let second = format!(r#"{{"seq":2,"prev":"{}"}}"#, one.hash());

        assert_eq!(follow(one, &second).unwrap().seq(), 2);
        assert_eq!(
            follow(Head::GENESIS, &second),
            Err(Break::Number {
                expected: 1,
                found: 2
            })
        );
        let forged = format!(r#"{{"seq":2,"prev":"{}"}}"#, "0".repeat(64));
        assert_eq!(follow(one, &forged), Err(Break::Hash { seq: 2 }));
    }

    #[test]
    fn reads_a_hash_as_it_is_written_and_in_no_other_form() {
        let hash = LineHash::of(b"a line");
        let text = hash.to_string();

        assert_eq!(text.parse(), Ok(hash));
        let upper = text.to_uppercase();
        for odd in [
            "",
            text.get(1..).unwrap(),
            &format!("{text}0"),
            &upper,
            &text.replace('0', "g"),
        ] {
            assert_eq!(odd.parse::<LineHash>(), Err(NotAHash), "{odd}");
        }
    }

    #[test]
    fn knows_its_own_digits() {
        for text in ["", "1", "2", "3"] {
            let hash = LineHash::of(text.as_bytes());
            let written = hash.to_string();

            assert!(hash.is_spelled(&written));
            assert!(!hash.is_spelled(&written.to_uppercase()));
            assert!(!hash.is_spelled(written.strip_suffix(|_| true).unwrap_or_default()));
            assert!(!hash.is_spelled(&format!("{written}0")));
            assert!(!LineHash::NONE.is_spelled(&written));
        }
        assert!(LineHash::NONE.is_spelled(&"0".repeat(64)));
    }
}
