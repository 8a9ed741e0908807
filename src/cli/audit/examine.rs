//! `audit verify --evidence`: whether a document is what a gateway signed, with nothing else at hand.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::examining::{self, Told};
use crate::{
    audit::{
        evidence::examine::examine,
        public_key::{NotAKey, PublicKey},
    },
    file,
};

/// What is to be examined.
#[derive(Clone, Debug)]
pub struct Question {
    /// The document.
    pub evidence: PathBuf,
    /// The files of public keys.
    pub keys: Vec<PathBuf>,
    /// Whether a program reads the answer.
    pub json: bool,
}

/// Nothing can be said of the document.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("reading {path:?}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path:?} cannot be used as the key: {source}; --key takes the public key in PEM")]
    Key { path: PathBuf, source: NotAKey },
    #[error("telling the result: {0}")]
    Out(#[from] io::Error),
}

/// Examines a document, tells the result, and returns the process's exit code.
#[must_use]
pub fn run(question: &Question) -> u8 {
    match answer(question) {
        Ok(true) => INTACT,
        Ok(false) => NOT_INTACT,
        Err(why) => {
            let said = writeln!(io::stderr(), "partner-gateway: {why}\nnothing was verified");
            said.map_or(UNKNOWN, |()| UNKNOWN)
        }
    }
}

/// Whether the document is intact.
fn answer(question: &Question) -> Result<bool, Unknown> {
    let keys = question.keys.iter().map(|path| key(path));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let document = read(&question.evidence, LARGEST_EVIDENCE)?;
    let examined = examine(&document, &keys);
    let told = Told {
        file: &question.evidence,
        is_key_given: !keys.is_empty(),
        examined: &examined,
    };
    let mut out = io::stdout().lock();
    if question.json {
        examining::as_json(&told, &mut out)?;
    } else {
        examining::as_text(&told, &mut out)?;
    }
    out.flush()?;
    Ok(examined.is_ok())
}

fn key(path: &Path) -> Result<PublicKey, Unknown> {
    PublicKey::from_pem(&read(path, file::LARGEST_BYTES)?).map_err(|source| Unknown::Key {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, Unknown> {
    file::read(path, limit_bytes).map_err(|source| Unknown::File {
        path: path.to_owned(),
        source,
    })
}

const INTACT: u8 = 0;
const NOT_INTACT: u8 = 1;
const UNKNOWN: u8 = 2;

/// In bytes: ten busy minutes around a transfer, which is held in memory whole.
const LARGEST_EVIDENCE: u64 = 1 << 30;
