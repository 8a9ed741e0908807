//! Evidence: what a journal says of one transfer, in one signed document that can be checked with nothing
//! else at hand.
//!
//! The chain hashes whole lines, so it can be followed only over lines that are shown. The document
//! therefore carries every line from a record of the transfer up to the checkpoint that signs it, also
//! those of other calls.

pub mod examine;
pub mod gather;

use std::{borrow::Cow, fs, io, path::Path};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    audit::{
        chain::LineHash,
        durable::{sync_directory, write_new},
        signing::SigningKey,
    },
    ids::JournalId,
};

/// What is stated of a transfer; its JSON text is what is signed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit::evidence) struct Statement<'a> {
    v: u8,
    /// The question that was asked.
    #[serde(borrow)]
    transfer: Cow<'a, str>,
    #[serde(borrow)]
    made: Cow<'a, str>,
    /// All of the journal, as it was verified from end to end when this was made.
    journal: Whole,
    /// The records of the transfer.
    records: Vec<u64>,
    /// Those of them that no checkpoint had signed yet.
    unsigned: Vec<u64>,
    ranges: Vec<Range>,
    #[serde(borrow)]
    public_key: Cow<'a, str>,
    /// Those that signed checkpoints before it, in PEM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    former_keys: Vec<String>,
}

/// A journal that was verified from end to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whole {
    /// Its identity.
    pub id: String,
    /// How many records it had.
    pub records: u64,
    /// The first of them; after 1 where older ones had been deleted.
    pub first: u64,
    /// The last of them.
    pub last: u64,
    /// The hash of the last line.
    pub head: String,
    /// How far good signatures reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_upto: Option<u64>,
}

/// Lines that follow each other, from a record of the transfer to the checkpoint that signs it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::audit::evidence) struct Range {
    /// The line of the checkpoint before them, whose hash stands in what the next one signs; absent
    /// where there is none, or it went with older segments.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_checkpoint: Option<String>,
    lines: Vec<String>,
}

/// The document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'a> {
    #[serde(borrow)]
    statement: Cow<'a, str>,
    #[serde(borrow)]
    signature: Cow<'a, str>,
}

/// Signs a statement, and returns the document's text.
fn seal(
    journal: JournalId,
    statement: &Statement<'_>,
    key: &SigningKey,
) -> serde_json::Result<String> {
    let statement = serde_json::to_string(statement)?;
    let signature = key.sign(signed(&journal.to_string(), &statement).as_bytes());
    let sealed = Sealed {
        statement: statement.into(),
        signature: signature.into(),
    };
    Ok(format!("{}\n", serde_json::to_string(&sealed)?))
}

/// What is signed: never the same as for a checkpoint.
fn signed(journal: &str, statement: &str) -> String {
    let hash = LineHash::of(statement.as_bytes());
    format!("partner-gateway/evidence/v1\n{journal}\n{hash}\n")
}

/// Writes a document to a file of its own, for the owner's eyes, entirely or not at all.
///
/// # Errors
///
/// When there is a file already, which is left as it is, or it cannot be written.
pub fn write(path: &Path, document: &str) -> io::Result<()> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let dir = if dir.as_os_str().is_empty() {
        Path::new(".")
    } else {
        dir
    };
    let unnamed = dir.join(format!(".{}.{}", name.display(), Uuid::new_v4()));
    // A link cannot replace what has the name, and what it names is whole.
    let written = write_new(&unnamed, document.as_bytes())
        .and_then(|()| fs::hard_link(&unnamed, path))
        .and_then(|()| sync_directory(dir));
    fs::remove_file(&unnamed).ok();
    written
}

/// Of the document's form.
const VERSION: u8 = 1;
