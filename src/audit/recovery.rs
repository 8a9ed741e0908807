//! Opening a journal: one process at a time, the chain checked, a torn tail cut off.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::{
    audit::{
        chain::{Break, Head, LineHash},
        orphans::{Open, Orphan},
        record::Cut,
        segment::{self, Segment, make_directory, sync_directory},
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
    /// The torn tail that was cut off.
    pub cut: Option<Cut>,
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
    /// A record was changed, removed or inserted.
    #[error(
        "the audit journal is damaged at record {}, in {path:?} at byte {offset}; `partner-gateway audit verify --dir {}` tells more; keep the directory for examination and give the gateway a new one",
        source.seq(), path.parent().unwrap_or(path).display()
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the first bad line begins.
        offset: u64,
        /// What is wrong with it.
        source: Break,
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
    let lock = lock(dir)?;
    let segments = segment::list(dir).map_err(at(dir))?;
    let id = identity(dir, segments.is_empty())?;
    let mut head = Head::GENESIS;
    let mut cut = None;
    let mut open = Open::default();
    for (index, (first, path)) in segments.iter().enumerate() {
        let next = segments.get(index + 1).map(|(next, _)| *next);
        head = match read(path, *first, next, head, &mut open)? {
            Reading::Whole(head) => head,
            Reading::Torn { head, offset } => {
                cut = Some(cut_off(dir, path, offset).map_err(at(path))?);
                head
            }
        };
    }
    let segment = match segments.last() {
        Some((_, path)) => Some(Segment::reopen(path).map_err(at(path))?),
        None => None,
    };
    Ok(Opened {
        id,
        head,
        segment,
        cut,
        orphans: open.into_orphans(),
        lock,
    })
}

/// How far a segment can be read.
enum Reading {
    Whole(Head),
    Torn { head: Head, offset: u64 },
}

/// Follows the chain through one segment, up to where the next segment begins: what a segment holds
/// at or above the next one's name was never acknowledged.
fn read(
    path: &Path,
    first: u64,
    next: Option<u64>,
    mut head: Head,
    open: &mut Open,
) -> Result<Reading, OpenError> {
    let mut lines = BufReader::new(File::open(path).map_err(at(path))?);
    let mut offset = 0;
    let mut line = Vec::new();
    if head.seq().saturating_add(1) != first && head != Head::GENESIS {
        let source = Break::Number {
            expected: head.seq().saturating_add(1),
            found: first,
        };
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            offset,
            source,
        });
    }
    loop {
        line.clear();
        let length = lines.read_until(b'\n', &mut line).map_err(at(path))?;
        if length == 0 || next.is_some_and(|next| head.seq().saturating_add(1) >= next) {
            return Ok(Reading::Whole(head));
        }
        let followed = match line.strip_suffix(b"\n") {
            Some(whole) if offset == 0 && head == Head::GENESIS && first > 1 => Head::resume(whole),
            Some(whole) => head.follow(whole),
            None => Err(Break::NotARecord {
                expected: head.seq().saturating_add(1),
            }),
        };
        match followed {
            Ok(followed) => {
                head = followed;
                open.note(line.strip_suffix(b"\n").unwrap_or(&line));
            }
            Err(Break::NotARecord { .. })
                if next.is_none() && is_torn_tail(&mut lines).map_err(at(path))? =>
            {
                return Ok(Reading::Torn { head, offset });
            }
            Err(source) => {
                return Err(OpenError::Damaged {
                    path: path.to_owned(),
                    offset,
                    source,
                });
            }
        }
        offset = offset.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
    }
}

/// A line that is no record is a torn tail only where no record comes after it. A record that does not
/// follow the one before it is never a torn tail: a crash cannot make one.
fn is_torn_tail(rest: &mut BufReader<File>) -> io::Result<bool> {
    let mut line = Vec::new();
    while rest.read_until(b'\n', &mut line)? > 0 {
        let record = line.strip_suffix(b"\n").map(Head::resume);
        if matches!(record, Some(Ok(_))) {
            return Ok(false);
        }
        line.clear();
    }
    Ok(true)
}

/// Moves what comes after `offset` out of the segment and keeps it under `cut/`.
fn cut_off(dir: &Path, path: &Path, offset: u64) -> io::Result<Cut> {
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut tail = Vec::new();
    io::copy(&mut file, &mut tail)?;
    let sha256 = LineHash::of(&tail).to_string();
    let kept = dir.join("cut");
    make_directory(&kept)?;
    sync_directory(dir)?;
    let segment = path.file_name().unwrap_or_default();
    // The same place can be torn twice, and each tail is evidence.
    let name = format!("{}.{offset}.{}", segment.display(), Uuid::now_v7());
    write_durably(&kept, &name, &tail)?;
    file.set_len(offset)?;
    file.sync_all()?;
    let bytes = u64::try_from(tail.len()).unwrap_or(u64::MAX);
    Ok(Cut {
        bytes,
        sha256,
        file: format!("cut/{name}"),
    })
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("journal.lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(PRIVATE)
        .open(&path)
        .map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
    }
}

fn identity(dir: &Path, is_new: bool) -> Result<JournalId, OpenError> {
    let path = dir.join("journal.id");
    match fs::read_to_string(&path) {
        Ok(text) => text
            .trim()
            .parse()
            .map_err(|_| OpenError::Identity { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
            let id = JournalId::random();
            write_durably(dir, "journal.id", format!("{id}\n").as_bytes()).map_err(at(&path))?;
            Ok(id)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Identity { path }),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}

/// Puts a whole file in place, so that it is there entirely or not at all.
pub(in crate::audit) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(&new)?;
    io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(name))?;
    sync_directory(dir)
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    |source| OpenError::Io { path, source }
}

/// Records name customers and callers; only the gateway's own user reads them.
const PRIVATE: u32 = 0o600;
