//! Which journal a directory holds: an ID in a file of its own, made once and kept for ever.

use std::{io, path::Path};

use crate::{file, ids::JournalId};

/// The file's name.
pub(in crate::audit) const IDENTITY: &str = "journal.id";

/// Reads an ID; nothing where the file holds something else.
///
/// # Errors
///
/// When the file cannot be read.
pub(in crate::audit) fn read(path: &Path) -> io::Result<Option<JournalId>> {
    let bytes = file::read(path, file::LARGEST_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).trim().parse().ok())
}
