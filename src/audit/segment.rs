//! One file of the journal, named after its first record.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use serde::Deserialize;

use crate::audit::{
    durable::{PRIVATE, remove, sync_directory},
    record::LONGEST_BYTES,
};

/// An open file that records are appended to.
#[derive(Debug)]
pub struct Segment {
    path: PathBuf,
    file: File,
    bytes: u64,
    /// How far the file system has promised room; it may go beyond the file's end.
    allocated: u64,
    /// The time of its first record; absent where it has none.
    began: Option<SystemTime>,
}

/// How large and how old a segment may grow.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Reached by the last lines at the latest that are written at once.
    pub bytes: u64,
    /// Counted from the time of the first record, also over restarts.
    pub age: Duration,
}

impl Segment {
    /// Creates the segment that begins with record `first`, durably, with so much room.
    ///
    /// It gets its name only once it has its room, because from then on it voids what other segments
    /// hold from that record on. A file that has the name already can only be left from a failed attempt
    /// none of whose records was ever acknowledged; it is replaced, because a descriptor that failed
    /// once is not trusted again.
    ///
    /// # Errors
    ///
    /// When the file cannot be made, there is no room, or the directory cannot be synced.
    pub fn create(dir: &Path, first: u64, room: u64) -> io::Result<Self> {
        let unnamed = dir.join(UNNAMED);
        let path = dir.join(file_name(first));
        remove_unnamed(dir)?;
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&unnamed)?;
        let mut segment = Self {
            path,
            file,
            bytes: 0,
            allocated: 0,
            began: None,
        };
        segment.allocate(room)?;
        fs::rename(&unnamed, &segment.path)?;
        // Whatever it says: this is no full disk, the name may stand.
        sync_directory(dir).map_err(io::Error::other)?;
        Ok(segment)
    }

    /// Opens a segment to append to.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened.
    pub fn reopen(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).open(path)?;
        let bytes = file.metadata()?.len();
        let began = first_time(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            bytes,
            allocated: bytes,
            began,
        })
    }

    /// The record that it is named after.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.path.file_name().and_then(first_record)
    }

    /// In bytes, what it takes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether the file system has promised room up to so many bytes.
    #[must_use]
    pub fn holds(&self, upto: u64) -> bool {
        self.allocated >= upto
    }

    /// Has the file system promise room up to so many bytes. The file's length stays, so that nothing
    /// but records can be read in it. A file system that promises nothing is not asked for more.
    ///
    /// # Errors
    ///
    /// When there is no room, or the disk fails.
    pub fn allocate(&mut self, upto: u64) -> io::Result<()> {
        let more = upto.saturating_sub(self.allocated);
        if more == 0 {
            return Ok(());
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, self.allocated, more) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                self.allocated = upto;
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Gives back the room behind its end, whatever stands there.
    ///
    /// # Errors
    ///
    /// When the file system refuses; nothing but the room is lost.
    pub fn give_back(&self) -> io::Result<()> {
        self.file.set_len(self.file.metadata()?.len())
    }

    /// Whether it is large or old enough once so many more bytes are written.
    #[must_use]
    pub fn is_full_with(&self, more: usize, now: SystemTime, bounds: Bounds) -> bool {
        let more = u64::try_from(more).unwrap_or(u64::MAX);
        let age = self.began.and_then(|began| now.duration_since(began).ok());
        self.bytes.saturating_add(more) >= bounds.bytes || age >= Some(bounds.age)
    }

    /// Hands lines to the operating system, the first of which is of this time.
    ///
    /// # Errors
    ///
    /// When not all of them could be written; the segment must not be used any more.
    pub fn write(&mut self, lines: &[u8], now: SystemTime) -> io::Result<()> {
        self.file.write_all(lines)?;
        let written = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        self.bytes = self.bytes.saturating_add(written);
        if written > 0 {
            self.began.get_or_insert(now);
        }
        Ok(())
    }

    /// Waits until everything written is on the disk.
    ///
    /// # Errors
    ///
    /// When the disk could not be reached; the segment must not be used any more, because a second
    /// sync would succeed without having written anything.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Makes sure that what was written can be found: that the file is still the one of that name.
    ///
    /// # Errors
    ///
    /// When it was removed, renamed or replaced; the segment must not be used any more.
    pub fn in_place(&self) -> io::Result<()> {
        let own = self.file.metadata()?;
        let named = fs::symlink_metadata(&self.path)?;
        if (own.dev(), own.ino()) != (named.dev(), named.ino()) {
            return Err(io::Error::other(format!(
                "{} was replaced while it was written to",
                self.path.display()
            )));
        }
        Ok(())
    }
}

/// Removes a segment that was being made when the process was killed.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub fn remove_unnamed(dir: &Path) -> io::Result<()> {
    remove(&dir.join(UNNAMED))
}

/// Lists the segments of a journal by their first record.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if let Some(first) = path.file_name().and_then(first_record) {
            segments.push((first, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

/// What the segments of a journal take, in bytes, but for one.
///
/// # Errors
///
/// When the directory or a file in it cannot be read.
pub fn bytes_elsewhere(dir: &Path, than: Option<&Segment>) -> io::Result<u64> {
    let mut bytes = 0_u64;
    for (_, path) in list(dir)? {
        bytes = bytes.saturating_add(fs::metadata(path)?.len());
    }
    Ok(bytes.saturating_sub(than.map_or(0, Segment::bytes)))
}

/// The time of a segment's first record; a torn one has none.
fn first_time(path: &Path) -> io::Result<Option<SystemTime>> {
    let mut line = Vec::new();
    let mut file = BufReader::new(File::open(path)?.take(LONGEST_BYTES));
    file.read_until(b'\n', &mut line)?;
    let record: Option<Timed> = serde_json::from_slice(&line).ok();
    Ok(record.and_then(|record| humantime::parse_rfc3339(&record.time).ok()))
}

/// When a record was written.
#[derive(Deserialize)]
struct Timed {
    time: String,
}

fn file_name(first: u64) -> String {
    format!("{PREFIX}{first:020}{SUFFIX}")
}

fn first_record(name: &OsStr) -> Option<u64> {
    first_record_of(name.to_str()?)
}

/// The record that a segment's file is named after.
pub(in crate::audit) fn first_record_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    (digits.len() == DIGITS)
        .then(|| digits.parse().ok())
        .flatten()
}

/// What a segment is called before it has its name.
const UNNAMED: &str = "journal.next";

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".jsonl";
const DIGITS: usize = 20;
