//! Witnesses: what this journal says of the checkpoints of others, so that nobody can rewrite one journal, or make it
//! vanish, without rewriting all of them.

use serde::{Deserialize, Serialize};

use crate::{
    audit::{
        chain::{CHECKPOINT, LineHash},
        members::Members,
        record::{Draft, LONGEST_BYTES},
    },
    ids::{BootId, JournalId, RecordId},
};

/// A checkpoint of a journal, as somebody has published it. Its signature is not checked: the key is not known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Whose checkpoint it is.
    pub journal: JournalId,
    /// The end that it signs.
    pub end: End,
    /// When it says that it was written.
    pub time: String,
    /// The key that it says has signed it.
    pub key_id: String,
    /// The run of a process that it says has written it.
    pub boot: String,
}

/// An end that a journal had once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The number of its last record.
    pub upto: u64,
    /// The hash of that record's line.
    pub head: LineHash,
}

/// What of a checkpoint is looked at.
#[derive(Deserialize)]
struct Published {
    journal: String,
    time: String,
    kind: String,
    boot: String,
    upto: u64,
    head: String,
    key_id: String,
}

/// What a `witness` record says of a checkpoint.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::audit) struct Witnessed {
    pub(in crate::audit) journal: String,
    pub(in crate::audit) upto: u64,
    pub(in crate::audit) head: String,
    pub(in crate::audit) time: String,
    pub(in crate::audit) key_id: String,
}

/// An end that does not go together with what was witnessed.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(in crate::audit) struct Contradicted {
    pub(in crate::audit) upto: u64,
    pub(in crate::audit) head: String,
}

impl Sighting {
    /// Reads a checkpoint's line; nothing where it is none. No member is taken that is longer than the gateway writes
    /// it, because whoever may publish chooses the bytes.
    #[must_use]
    pub fn read(line: &[u8]) -> Option<Self> {
        let bound = usize::try_from(LONGEST_BYTES).unwrap_or(usize::MAX);
        let published: Published =
            serde_json::from_slice(line.get(..line.len().min(bound))?).ok()?;
        let is_fit = published.kind == CHECKPOINT
            && is_time(&published.time)
            && is_hexadecimal(&published.key_id, KEY_ID_LENGTH)
            && published.boot.len() == BOOT_LENGTH;
        let sighting = Self {
            journal: published.journal.parse().ok()?,
            end: End {
                upto: published.upto,
                head: published.head.parse().ok()?,
            },
            time: published.time,
            key_id: published.key_id,
            boot: published.boot,
        };
        is_fit.then_some(sighting)
    }
}

impl Draft {
    /// Tells of a checkpoint of another journal and, where it denies an end that this journal was known to have, of
    /// that end.
    #[must_use]
    pub fn witness(boot: BootId, seen: &Sighting, denied: Option<End>) -> Self {
        Self::new(
            RecordId::next(),
            &Members {
                witnessed: Some(Witnessed {
                    journal: seen.journal.to_string(),
                    upto: seen.end.upto,
                    head: seen.end.head.to_string(),
                    time: seen.time.clone(),
                    key_id: seen.key_id.clone(),
                }),
                contradicts: denied.map(|End { upto, head }| Contradicted {
                    upto,
                    head: head.to_string(),
                }),
                ..Members::of_run(WITNESS, boot)
            },
        )
    }
}

fn is_time(text: &str) -> bool {
    text.len() <= LONGEST_TIME && humantime::parse_rfc3339(text).is_ok()
}

fn is_hexadecimal(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The kind of a record that tells of another journal.
pub(in crate::audit) const WITNESS: &str = "witness";

/// In characters: a GUID.
const BOOT_LENGTH: usize = 36;

/// In characters: the first half of what names a key.
const KEY_ID_LENGTH: usize = 16;

/// In characters: with nanoseconds.
const LONGEST_TIME: usize = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_checkpoint_and_nothing_that_only_looks_like_one() {
        let journal = JournalId::random();
        let line = checkpoint(journal);

        let seen = Sighting::read(line.as_bytes()).unwrap();

        assert_eq!((seen.journal, seen.end.upto), (journal, 41));
        assert_eq!(seen.end.head, LineHash::NONE);
        assert_eq!(seen.key_id, "0123456789abcdef");
        for (from, to) in [
            ("checkpoint", "outcome"),
            ("2026-11-22T04:00:00.000001Z", "2026-11-22\\u001b"),
            ("0123456789abcdef", "0123456789abcde\\n"),
            ("41", "-1"),
            ("0000000000", "xxxxxxxxxx"),
            ("019aa9d5", "<019aa9d5"),
            ("}", &format!(",\"x\":\"{}\"}}", "x".repeat(9000))),
        ] {
            let odd = line.replace(from, to);
            assert_eq!(Sighting::read(odd.as_bytes()), None, "{odd}");
        }
    }

    #[test]
    fn writes_what_it_has_seen_and_what_that_denies() {
        let seen = Sighting::read(checkpoint(JournalId::random()).as_bytes()).unwrap();
        let denied = End {
            upto: 50,
            head: LineHash::of(b"a line"),
        };

        let draft = Draft::witness(BootId::next(), &seen, Some(denied));

        let text = format!("{{{}}}", draft.members);
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(told["kind"], "witness");
        let expected = serde_json::json!({
            "journal": seen.journal.to_string(), "upto": 41, "head": "0".repeat(64),
            "time": "2026-11-22T04:00:00.000001Z", "key_id": "0123456789abcdef",
        });
        assert_eq!(told["witnessed"], expected);
        let expected = serde_json::json!({ "upto": 50, "head": denied.head.to_string() });
        assert_eq!(told["contradicts"], expected);
    }

    fn checkpoint(journal: JournalId) -> String {
        format!(
            r#"{{"v":1,"journal":"{journal}","seq":42,"id":"x","time":"2026-11-22T04:00:00.000001Z","kind":"checkpoint","boot":"019aa9d5-4d3e-7c1e-8f0a-5a1e9b7c3d21","upto":41,"head":"{}","key_id":"0123456789abcdef","signature":"x","prev":"y"}}"#,
            "0".repeat(64)
        )
    }
}
