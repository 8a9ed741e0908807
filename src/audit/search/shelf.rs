//! Where indexes are kept: beside the journal, each a whole file or none.

use std::{
    collections::HashSet,
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use uuid::Uuid;

use crate::audit::{
    durable::{self, PRIVATE},
    search::open::Segment,
};

/// Where the index of a segment is.
pub(in crate::audit::search) fn path(dir: &Path, first: u64) -> PathBuf {
    dir.join(DIRECTORY)
        .join(format!("journal-{first:020}{SUFFIX}"))
}

/// Puts a file in its place as a whole.
pub(in crate::audit::search) fn put(dir: &Path, first: u64, bytes: &[u8]) -> io::Result<()> {
    let below = dir.join(DIRECTORY);
    durable::make_directory(&below)?;
    let new = below.join(format!("{}{UNFINISHED}", Uuid::new_v4()));
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(&new)
        .and_then(|mut new| new.write_all(bytes))
        .and_then(|()| fs::rename(&new, path(dir, first)));
    if written.is_err() {
        drop(fs::remove_file(&new));
    }
    written
}

/// Removes what belongs to no segment any more, and what another search had not finished.
/// Where that is being finished this moment, its search finds all the same and leaves nothing.
pub(in crate::audit::search) fn sweep(dir: &Path, segments: &[Segment]) {
    let paths = segments.iter().map(|segment| path(dir, segment.first));
    let indexes: HashSet<_> = paths.collect();
    let entries = fs::read_dir(dir.join(DIRECTORY)).into_iter().flatten();
    for entry in entries.flatten().map(|entry| entry.path()) {
        let name = entry.file_name().and_then(|name| name.to_str());
        let is_ours = name.is_some_and(|it| it.ends_with(SUFFIX) || it.ends_with(UNFINISHED));
        if is_ours && !indexes.contains(&entry) {
            drop(fs::remove_file(&entry));
        }
    }
}

pub(in crate::audit) const DIRECTORY: &str = "index";
const SUFFIX: &str = ".bin";
const UNFINISHED: &str = ".new";
