//! Ending a journal: everything of it is moved out of the way, untouched, and another one begins in its place.
//!
//! Each step may be the last one of a run that is killed, and is done again by the next.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use crate::{
    audit::{
        cursor::{self, CURSORS, Cursor},
        durable::{make_directory, sync_directory, write_durably},
        fork::{DONE, Passage},
        identity::{self, IDENTITY},
        low_water::{CHECKPOINT_FILE, Unfit},
        recovery::{OpenError, at, held::Held, tail::KEPT},
        search::shelf,
        segment,
    },
    ids::JournalId,
};

/// Goes on with what an earlier start has begun, if it was killed in between.
pub(in crate::audit::recovery) fn complete(lock: &Held, dir: &Path) -> Result<(), OpenError> {
    let Some(passage) = Passage::under_way(dir)? else {
        return Ok(());
    };
    let into = dir.join(&passage.fork.kept);
    if !has_begun(dir, &passage)? {
        make_directory(&into).map_err(at(&into))?;
        move_all(lock, dir, &into).map_err(at(&into))?;
        let id = format!("{}\n", passage.journal);
        write_durably(dir, IDENTITY, id.as_bytes()).map_err(at(&dir.join(IDENTITY)))?;
    }
    // That a sink was in use before is not forgotten: what it has lost since is not to be made anew silently.
    for former in cursor::list(&into).map_err(at(&into))? {
        let sink = former.sink().unwrap_or_default();
        let nothing = Cursor::of_nothing(SystemTime::UNIX_EPOCH);
        nothing.write(dir, sink).map_err(at(&former.path))?;
    }
    Passage::end(dir).map_err(at(dir))?;
    sync_directory(dir).map_err(at(dir))
}

/// Whether the directory is the new journal's already.
fn has_begun(dir: &Path, passage: &Passage) -> Result<bool, OpenError> {
    let path = dir.join(IDENTITY);
    let id = match identity::read(&path) {
        Ok(id) => id.map(|id: JournalId| id.to_string()),
        // It was the last to be moved.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(OpenError::Io { path, source }),
    };
    match id {
        Some(id) if id == passage.journal => Ok(true),
        Some(id) if id == passage.fork.journal => Ok(false),
        Some(found) => Err(Unfit::Foreign { path, found }.into()),
        None => Err(OpenError::Identity { path }),
    }
}

/// Moves everything of a journal; its identity last, so that what is left can be told until it is gone. The ledgers of
/// refused records stay: each entry names its journal and has its line, and `redeliver` finds it there.
fn move_all(_: &Held, dir: &Path, into: &Path) -> io::Result<()> {
    let segments = segment::list(dir)?.into_iter().map(|(_, path)| path);
    let beside = [CURSORS, CHECKPOINT_FILE, KEPT, shelf::DIRECTORY, DONE];
    for path in segments.chain(beside.map(|name| dir.join(name))) {
        move_one(&path, into)?;
    }
    sync(dir, into)?;
    move_one(&dir.join(IDENTITY), into)?;
    sync(dir, into)
}

/// Moves what may be there no more, because an earlier start has moved it.
fn move_one(path: &Path, into: &Path) -> io::Result<()> {
    let to: PathBuf = into.join(path.file_name().unwrap_or_default());
    match fs::rename(path, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The new names first, so that nothing is ever without one.
fn sync(dir: &Path, into: &Path) -> io::Result<()> {
    sync_directory(into)?;
    sync_directory(dir)
}
