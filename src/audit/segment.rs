//! One file of the journal, named after its first record.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Deserialize;

/// An open file that records are appended to.
#[derive(Debug)]
pub struct Segment {
    file: File,
    bytes: u64,
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
    /// Creates the segment that begins with record `first`, durably.
    ///
    /// A file of the same name can only be left from a failed attempt none of whose records was ever
    /// acknowledged; it is removed, because a descriptor that failed once is not trusted again.
    ///
    /// # Errors
    ///
    /// When the file cannot be made or the directory cannot be synced.
    pub fn create(dir: &Path, first: u64) -> io::Result<Self> {
        let path = dir.join(file_name(first));
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(&path)?;
        sync_directory(dir)?;
        Ok(Self {
            file,
            bytes: 0,
            began: None,
        })
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
        Ok(Self { file, bytes, began })
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

/// Makes the entries of a directory durable.
///
/// # Errors
///
/// When the directory cannot be opened or synced.
pub fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a directory that only the gateway's own user may enter.
///
/// # Errors
///
/// When it is not there and cannot be made.
pub fn make_directory(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;

    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(dir)
}

/// The time of a segment's first record; a torn one has none.
fn first_time(path: &Path) -> io::Result<Option<SystemTime>> {
    let mut line = Vec::new();
    let mut file = BufReader::new(File::open(path)?.take(LONGEST_LINE_BYTES));
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
    let digits = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?;
    (digits.len() == DIGITS)
        .then(|| digits.parse().ok())
        .flatten()
}

const PREFIX: &str = "journal-";
const SUFFIX: &str = ".jsonl";
const DIGITS: usize = 20;

/// The contract's bound for a record.
const LONGEST_LINE_BYTES: u64 = 8 << 10;

/// Records name customers and callers; only the gateway's own user reads them.
const PRIVATE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
