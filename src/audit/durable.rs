//! Files that are there entirely or not at all, and directories that keep what they hold.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::Path,
};

/// Puts a whole file in place of what was there, so that a crash leaves the one or the other.
///
/// # Errors
///
/// When it cannot be written or synced; what was there still is, or the new one is.
pub(in crate::audit) fn write_durably(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!("{name}.new"));
    remove(&new)?;
    write_new(&new, bytes)?;
    fs::rename(&new, dir.join(name))?;
    sync_directory(dir)
}

/// Writes a file of its own, which nothing but its own user can read, and has it on the disk.
///
/// # Errors
///
/// When something of that name is there already, be it a link, or it cannot be written or synced.
pub(in crate::audit) fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(PRIVATE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file that may not be there.
///
/// # Errors
///
/// When it is there and cannot be removed.
pub(in crate::audit) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How much room the disk that a directory is on has left for this process, in bytes.
///
/// # Errors
///
/// When the file system does not tell.
pub(in crate::audit) fn room_left(dir: &Path) -> io::Result<u64> {
    let told = rustix::fs::statvfs(dir)?;
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

/// Makes the entries of a directory durable.
///
/// # Errors
///
/// When the directory cannot be opened or synced.
pub(in crate::audit) fn sync_directory(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Makes a directory that only the gateway's own user may enter, durably.
///
/// # Errors
///
/// When it is not there and cannot be made.
pub(in crate::audit) fn make_directory(dir: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = dir.ancestors().take_while(|it| !it.exists()).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE_DIRECTORY)
        .create(dir)?;
    // Each new one is an entry of the one above.
    let above = missing.iter().filter_map(|made| made.parent());
    above
        .map(|it| {
            if it == Path::new("") {
                Path::new(".")
            } else {
                it
            }
        })
        .try_for_each(sync_directory)
}

/// Records name customers and callers; only the gateway's own user reads them.
pub(in crate::audit) const PRIVATE: u32 = 0o600;
const PRIVATE_DIRECTORY: u32 = 0o700;
