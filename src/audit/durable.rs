//! Files that are there entirely or not at all.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::audit::segment::sync_directory;

/// Puts a whole file in place of what was there, so that a crash leaves the one or the other.
///
/// # Errors
///
/// When it cannot be written or synced; what was there still is, or the new one is.
pub(in crate::audit) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(PRIVATE)
        .open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, dir.join(name))?;
    sync_directory(dir)
}

/// Records name customers and callers; only the gateway's own user reads them.
pub(in crate::audit) const PRIVATE: u32 = 0o600;
