//! Files of the gateway's own in a directory where others may have put something at the same path.
//!
//! What stands at a path is looked at without following a link; what is made, is made anew. This file
//! knows nothing of tokens.

use std::{
    fs::{self, File, FileType, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, fchown},
    path::{Path, PathBuf},
};

/// Finds what stands at a path itself, not what a link there leads to.
pub(in crate::token::refresh_store) fn found(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Names what is no regular file.
pub(in crate::token::refresh_store) fn other_kind(file_type: FileType) -> Option<&'static str> {
    if file_type.is_file() {
        return None;
    }
    Some(match file_type {
        it if it.is_dir() => "a directory",
        it if it.is_symlink() => "a symbolic link",
        it if it.is_fifo() => "a pipe",
        it if it.is_socket() => "a socket",
        _ => "a device",
    })
}

/// Creates a file where there is none, for whoever owns what is kept; no link is followed.
pub(in crate::token::refresh_store) fn create(path: &Path, kept: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(OWN)
        .open(path)?;
    hand_over(&file, kept)?;
    Ok(file)
}

/// Creates a file in the place of whatever file or link is there.
pub(in crate::token::refresh_store) fn create_anew(path: &Path, kept: &Path) -> io::Result<File> {
    remove(path)?;
    create(path, kept)
}

/// Gives a file that another user makes, such as root with `login`, to the owner of what is kept, or
/// where nothing is kept yet of its directory: the gateway's own user would be locked out of it. Who may
/// not give it away keeps it.
fn hand_over(file: &File, kept: &Path) -> io::Result<()> {
    let heir = fs::metadata(kept).or_else(|_| fs::metadata(directory(kept)))?;
    let ours = file.metadata()?;
    if (ours.uid(), ours.gid()) != (heir.uid(), heir.gid()) {
        fchown(file, Some(heir.uid()), Some(heir.gid())).ok();
    }
    Ok(())
}

/// Removes a file or a link, if there is one.
pub(in crate::token::refresh_store) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Whether an open file is still the one that its path leads to.
pub(in crate::token::refresh_store) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    let same = |it: Metadata| (it.dev(), it.ino()) == (open.dev(), open.ino());
    Ok(found(path)?.is_some_and(same))
}

/// Tells how a regular file differs from one that this process makes.
///
/// Owner and mode are compared with those of a file made for it, at `probe`, and not with the process's
/// user, because a mounted share may give every file an owner and a mode of its own.
pub(in crate::token::refresh_store) fn strangeness(
    found: &Metadata,
    probe: &Path,
    kept: &Path,
) -> io::Result<Option<String>> {
    let own = create_anew(probe, kept)?.metadata()?;
    remove(probe)?;
    let look = |it: &Metadata| (it.uid(), it.mode() & PERMISSIONS);
    let told = |(owner, mode): (u32, u32)| format!("owner {owner}, mode {mode:04o}");
    let (theirs, ours) = (look(found), look(&own));
    Ok((theirs != ours).then(|| format!("{} instead of {}", told(theirs), told(ours))))
}

/// Follows links to where a file is, or would be, so that what is written takes no link's place.
pub(in crate::token::refresh_store) fn real(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        real => return real,
    }
    // A link to what nobody has made yet.
    if let Ok(target) = fs::read_link(path) {
        return real(&directory(path).join(target));
    }
    match (fs::canonicalize(directory(path)), path.file_name()) {
        (Ok(directory), Some(name)) => Ok(directory.join(name)),
        // Whoever writes there is told what is missing.
        _ => Ok(path.to_owned()),
    }
}

/// The directory that a file is in.
pub(in crate::token::refresh_store) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// For the gateway's own user alone.
const OWN: u32 = 0o600;

/// The bits of a file's mode that are permissions.
pub(in crate::token::refresh_store) const PERMISSIONS: u32 = 0o7777;

/// The bit of a file's mode that lets everyone read.
pub(in crate::token::refresh_store) const READABLE_BY_EVERYONE: u32 = 0o004;
