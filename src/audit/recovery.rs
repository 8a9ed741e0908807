//! Opening a journal: one process at a time, the chain checked, a torn tail cut off.
//!
//! Everything is read and judged before a byte is changed. What a crash cannot have done is never
//! repaired: the start is refused.

mod held;
mod survey;
pub(in crate::audit) mod tail;

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{Advice, fadvise};

use self::{
    held::Held,
    survey::{Stop, Survey},
};
use crate::{
    audit::{
        chain::Head,
        durable::{make_directory, sync_directory},
        low_water::{self, LowWater, Unfit},
        orphans::Orphan,
        record::{Cut, Recovered},
        segment::{self, Segment},
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
    /// The segment to append to; a new one is made where there is none.
    pub segment: Option<Segment>,
    /// The torn tails that were cut off and not told of so far: now, or by a start that was killed.
    pub recovered: Vec<Recovered>,
    /// The intents that have no outcome, the oldest first.
    pub orphans: Vec<Orphan>,
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
    make_directory(dir).map_err(at(dir))?;
    let lock = Held::take(dir)?;
    // A run that was killed may have made a segment and not come to this.
    segment::remove_unnamed(dir).map_err(at(dir))?;
    sync_directory(dir).map_err(at(dir))?;
    let low_water = low_water::read(dir)?;
    let segments = segment::list(dir).map_err(at(dir))?;
    let id = held::identity(dir, segments.is_empty() && low_water.is_empty())?;
    low_water.belongs_to(id)?;
    let last = segments.last().map(|(_, path)| path);
    last.map_or(Ok(()), |last| forget_unwritten(last))?;
    let (survey, head) = match Survey::of(dir, id, &low_water, &segments) {
        Ok(read) => read,
        Err(Stop::Unreadable(error)) => return Err(error),
        Err(Stop::Damaged(damage)) => return Err(damaged(dir, damage)),
    };
    let cuts = cuts(&lock, dir, &survey)?;
    let segment = last.map(|path| Segment::reopen(path).map_err(at(path)));
    let orphans = survey.open.into_orphans();
    Ok(Opened {
        id,
        head,
        segment: segment.transpose()?,
        recovered: recovered(cuts, orphans.len(), &low_water),
        orphans,
        lock: lock.into_file(),
    })
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

/// Cuts the torn tail off, and finds those that nobody lived to tell of.
fn cuts(lock: &Held, dir: &Path, survey: &Survey<'_>) -> Result<Vec<Cut>, OpenError> {
    if let Some(torn) = &survey.tail {
        tail::cut_off(lock, dir, torn).map_err(at(&torn.path))?;
    }
    tail::untold(dir, &survey.cuts, survey.first).map_err(at(dir))
}

fn recovered(cuts: Vec<Cut>, orphans: usize, low_water: &LowWater) -> Vec<Recovered> {
    let low_water = low_water.highest().map(|(seq, _)| seq);
    let of = |cut| Recovered {
        cut,
        orphans,
        low_water,
    };
    cuts.into_iter().map(of).collect()
}

/// Names the damage as `audit verify` does, which looks closer at which of two records is the wrong one.
fn damaged(dir: &Path, found: Damage) -> OpenError {
    let evidence = Evidence {
        key: None,
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
