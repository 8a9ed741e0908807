//! Holding a journal's directory: one process at a time, and one identity for ever.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use crate::{
    audit::{
        durable::{PRIVATE, write_durably},
        identity::{self, IDENTITY},
        recovery::{OpenError, at},
    },
    ids::JournalId,
};

/// The lock of a journal's directory; whoever has it may change what an earlier run has left.
#[derive(Debug)]
pub(in crate::audit::recovery) struct Held(File);

impl Held {
    pub(in crate::audit::recovery) fn take(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join("journal.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(&path)
            .map_err(at(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked {
                dir: dir.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path, source }),
        }
    }

    pub(in crate::audit::recovery) fn into_file(self) -> File {
        self.0
    }
}

/// Reads the journal's identity, and makes one where the directory holds nothing of a journal; says, too, whether it
/// was made.
pub(in crate::audit::recovery) fn identity(
    dir: &Path,
    is_new: bool,
) -> Result<(JournalId, bool), OpenError> {
    let path = dir.join(IDENTITY);
    match identity::read(&path) {
        Ok(id) => Ok((id.ok_or(OpenError::Identity { path })?, false)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_new => {
            let id = JournalId::random();
            write_durably(dir, IDENTITY, format!("{id}\n").as_bytes()).map_err(at(&path))?;
            Ok((id, true))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(OpenError::Identity { path }),
        Err(source) => Err(OpenError::Io { path, source }),
    }
}
