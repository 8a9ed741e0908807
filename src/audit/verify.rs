//! Proving a journal: the whole chain is read, every checkpoint checked, nothing changed.
//!
//! Takes no lock, so that it can be done while the gateway writes, and holds one line at a time.

pub mod census;
pub mod copy;
pub mod findings;
pub mod kept;
mod lines;
mod marks;
pub mod seals;
pub mod vouched;
mod walk;

use std::{
    io,
    path::{Path, PathBuf},
};

use self::{
    findings::{Damage, Fault, Findings},
    kept::Kept,
    lines::Lines,
    walk::{Step, Walk},
};
use crate::{
    audit::{
        fork,
        identity::{self, IDENTITY},
        link::Link,
        low_water::{self, CHECKPOINT_FILE, Unfit},
        public_key::PublicKey,
    },
    ids::JournalId,
};

/// What the journal is held against, beside itself.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The keys of which one, the one that it names, must have signed each checkpoint; without any no signature is
    /// checked.
    pub keys: &'a [PublicKey],
    /// Checkpoints that were kept elsewhere.
    pub kept: &'a Kept,
}

/// The journal could not be read, so nothing can be said of it.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The directory or a file in it cannot be read.
    #[error("reading {path:?}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A segment went while the journal was read.
    #[error("{path:?} went while the journal was read, by retention or otherwise; do it again")]
    Gone {
        /// The segment.
        path: PathBuf,
    },
    /// Nothing says whose journal it is.
    #[error(
        "{path:?} is missing, so that nobody knows which journal this is; a copy of a journal is the whole directory, \
         without index, *.lock and signing.key"
    )]
    Nameless {
        /// The file.
        path: PathBuf,
    },
    /// The journal's identity is not a GUID.
    #[error(
        "{path:?} does not hold a journal's GUID; restore it, because every record must name it"
    )]
    Identity {
        /// The file.
        path: PathBuf,
    },
    /// It is not known how far the journal must reach.
    #[error(transparent)]
    LowWater(#[from] Unfit),
    /// It is in two places.
    #[error(
        "a start was interrupted while it ended the journal in {dir:?} and began another; start the gateway, which goes on with it"
    )]
    Ending {
        /// The directory.
        dir: PathBuf,
    },
    /// There is nothing to verify.
    #[error("there is no segment of a journal (journal-*.jsonl) in {dir:?}")]
    Empty {
        /// The directory.
        dir: PathBuf,
    },
}

/// How far a journal has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Records that were as they should be.
    pub records: u64,
    /// Bytes of all segments up to there.
    pub bytes: u64,
    /// Bytes that all segments had when it began.
    pub total_bytes: u64,
}

/// Reads the journal in `dir` from end to end, up to the first record that is not as it should be.
/// `progress` is told now and then.
///
/// # Errors
///
/// When it cannot be read. A journal that is damaged is no error; the findings tell.
pub fn verify(
    dir: &Path,
    evidence: Evidence<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Findings, Unreadable> {
    follow(dir, evidence, progress, &mut |_, _| {})
}

/// Does the same, and hands on each record that is as it should be, with its line. What was handed on
/// counts for nothing where the findings tell of damage.
pub(in crate::audit) fn follow(
    dir: &Path,
    evidence: Evidence<'_>,
    progress: &mut dyn FnMut(Progress),
    each: &mut dyn FnMut(&Link<'_>, &[u8]),
) -> Result<Findings, Unreadable> {
    let journal = identity(dir)?;
    // Before the segments: the gateway that is writing vouches for nothing that is not in one.
    let low_water = low_water::read(dir)?;
    low_water.belongs_to(journal)?;
    let lines = Lines::of(dir)?;
    if lines.first().is_none() && evidence.kept.is_empty() && low_water.is_empty() {
        return Err(Unreadable::Empty {
            dir: dir.to_owned(),
        });
    }
    let mut walk = Walk::new(journal, lines, evidence, &low_water);
    if let Some((seq, found)) = evidence.kept.foreign(journal) {
        let found = found.to_owned();
        let fault = Fault::OtherJournal { seq, found };
        let path = dir.join(IDENTITY);
        return Ok(walk.findings(None, Some(Damage::new(fault, path, 0))));
    }
    loop {
        let (unfinished, damage) = match walk.step(each)? {
            Step::On => {
                if walk.records.is_multiple_of(TOLD_EVERY) {
                    progress(walk.progress());
                }
                continue;
            }
            Step::End => (None, walk.lacks_an_end(dir)),
            Step::Unfinished(tail) => (Some(tail), walk.lacks_an_end(dir)),
            Step::Damaged(damage) => (None, Some(damage)),
        };
        return Ok(walk.findings(unfinished, damage));
    }
}

impl Unreadable {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Io { path, source }
    }
}

/// Reads whose journal is in `dir`.
///
/// # Errors
///
/// When it cannot be read.
pub fn identity(dir: &Path) -> Result<JournalId, Unreadable> {
    whole(dir)?;
    let path = dir.join(IDENTITY);
    match identity::read(&path) {
        Ok(id) => id.ok_or(Unreadable::Identity { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && dir.is_dir() => {
            Err(Unreadable::Nameless { path })
        }
        Err(error) => Err(Unreadable::at(&path)(error)),
    }
}

/// Whether the file is there that says how far the journal in `dir` reached at least: a copy without it may have lost
/// its end.
#[must_use]
pub fn has_mark(dir: &Path) -> bool {
    dir.join(CHECKPOINT_FILE).exists()
}

/// Sees to it that the journal in `dir` is not being moved.
///
/// # Errors
///
/// When a start has begun to and not ended.
pub fn whole(dir: &Path) -> Result<(), Unreadable> {
    if fork::is_under_way(dir) {
        return Err(Unreadable::Ending {
            dir: dir.to_owned(),
        });
    }
    Ok(())
}

/// In records: some hundredths of a second.
const TOLD_EVERY: u64 = 10_000;
