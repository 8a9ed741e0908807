//! Opening a journal: one process at a time, the chain checked, a torn tail cut off.
//!
//! Everything is read and judged before a byte is changed. What a crash cannot have done is never
//! repaired: the start is refused.

pub mod found;
mod held;
mod passing;
mod survey;
pub(in crate::audit) mod tail;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Advice, fadvise};

use self::found::Found;
use crate::{
    audit::{
        chain::Head,
        fork::Fork,
        low_water::Unfit,
        orphans::Orphan,
        record::Recovered,
        segment::Segment,
        verify::{
            self, Evidence,
            findings::{Damage, Fault},
            kept::Kept,
        },
    },
    ids::JournalId,
};

/// A journal ready to be continued.
#[derive(Debug)]
pub struct Opened {
    /// The journal's identity.
    pub id: JournalId,
    /// The last good record.
    pub head: Head,
    /// The key that the last checkpoint says has signed it.
    pub signed_with: Option<String>,
    /// The segment to append to; a new one is made where there is none.
    pub segment: Option<Segment>,
    /// The torn tails that were cut off and not told of so far: now, or by a start that was killed.
    pub recovered: Vec<Recovered>,
    /// The intents that have no outcome, the oldest first; those of the journal before this one, too.
    pub orphans: Vec<Orphan>,
    /// Where this journal goes on from another one, and does not say so yet.
    pub forked_from: Option<Fork>,
    /// Held for as long as the journal is open.
    pub lock: File,
}

/// The journal cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error("using {path:?}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process holds the journal.
    #[error(
        "another process has the audit journal in {dir:?} open; each replica needs its own directory"
    )]
    Locked {
        /// The journal's directory.
        dir: PathBuf,
    },
    /// The journal's identity is not a GUID.
    #[error(
        "{path:?} does not hold a journal's GUID; restore it from a backup or move the directory aside"
    )]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// It is not known how far the journal must reach.
    #[error(transparent)]
    LowWater(#[from] Unfit),
    /// The operating system may show bytes that are not on the disk.
    #[error(
        "the disk did not take the end of {path:?}, so what can be read there may not be on it; see to the disk, then start again: the next start reads what the disk holds"
    )]
    Unsynced {
        /// The last segment.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A record was changed, removed or inserted.
    #[error(
        "the audit journal is damaged at record {}, in {path:?} at byte {offset}; `partner-gateway audit verify --dir {}` tells more; keep the directory for examination and give the gateway a new one",
        source.seq(), dir.display()
    )]
    Damaged {
        /// The journal's directory.
        dir: PathBuf,
        /// The segment.
        path: PathBuf,
        /// Where the first bad line begins.
        offset: u64,
        /// What is wrong with it.
        source: Fault,
    },
}

/// Opens the journal in `dir`, making it where there is none.
///
/// # Errors
///
/// When another process has it open, when it is damaged other than at its very end, or when the
/// operating system refuses.
pub fn open(dir: &Path) -> Result<Opened, OpenError> {
    Found::in_directory(dir)?.go_on()
}

/// Sees to it that what is read from the last segment is what the disk holds. After a write that failed
/// the operating system goes on to show what it could not write, and tells each reader of it once.
fn forget_unwritten(path: &Path) -> Result<(), OpenError> {
    let file = File::open(path).map_err(at(path))?;
    file.sync_data().map_err(|source| OpenError::Unsynced {
        path: path.to_owned(),
        source,
    })?;
    let whole = None;
    fadvise(&file, 0, whole, Advice::DontNeed).map_err(|error| at(path)(error.into()))
}

/// Names the damage as `audit verify` does, which looks closer at which of two records is the wrong one.
fn damaged(dir: &Path, found: Damage) -> OpenError {
    let evidence = Evidence {
        keys: &[],
        kept: &Kept::default(),
    };
    let closer = verify::verify(dir, evidence, &mut |_| {});
    let damage = closer.ok().and_then(|findings| findings.damage);
    let Damage {
        fault,
        path,
        offset,
    } = damage.unwrap_or(found);
    OpenError::Damaged {
        dir: dir.to_owned(),
        path,
        offset,
        source: fault,
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = path.to_owned();
    |source| OpenError::Io { path, source }
}
