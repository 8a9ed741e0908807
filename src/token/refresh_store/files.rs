//! The steps of keeping a refresh token in a file, each of which a crash may be the last of.
//!
//! The successor is written beside the token and renamed over it. Its line end decides: from the moment
//! it is there, the successor counts, whoever did or did not live to rename it; before, it never was.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    file,
    token::refresh_store::{Kept, error::StoreError, well_formed},
};

/// The token, its successor while that is being written, and the lock of whoever presents it.
#[derive(Clone, Debug)]
pub(in crate::token::refresh_store) struct Files {
    kept: PathBuf,
    next: PathBuf,
    lock: PathBuf,
}

impl Files {
    pub(in crate::token::refresh_store) fn new(kept: &Path) -> Self {
        let beside = |extension: &str| {
            let mut name = kept.as_os_str().to_owned();
            name.push(extension);
            PathBuf::from(name)
        };
        Self {
            kept: kept.to_owned(),
            next: beside(".next"),
            lock: beside(".lock"),
        }
    }

    /// Takes the lock, if nobody has it; the kernel frees it when its holder dies.
    pub(in crate::token::refresh_store) fn try_lock(&self) -> Result<Option<File>, StoreError> {
        let options = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWN)
            .open(&self.lock);
        let lock = options.map_err(|source| cannot_write(&self.lock, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(cannot_write(&self.lock, source)),
        }
    }

    /// Reads what is kept.
    pub(in crate::token::refresh_store) fn read(&self) -> Result<Kept, StoreError> {
        let unreadable = |source| StoreError::Read {
            path: self.kept.clone(),
            source,
        };
        let metadata = match fs::metadata(&self.kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.empty()),
            found => found.map_err(unreadable)?,
        };
        let mode = metadata.permissions().mode();
        if mode & READABLE_BY_EVERYONE != 0 {
            return Err(StoreError::Exposed {
                path: self.kept.clone(),
                mode: mode & PERMISSIONS,
            });
        }
        let text = text(&self.kept).map_err(unreadable)?;
        if text.expose_secret().trim_ascii().is_empty() {
            return Err(self.empty());
        }
        let token = well_formed(text.expose_secret()).ok_or_else(|| StoreError::Malformed {
            place: self.kept.display().to_string(),
        })?;
        Ok(Kept {
            token,
            renewed: metadata.modified().ok(),
        })
    }

    /// Puts a successor in its place that a crash has left complete; one that is torn never was.
    pub(in crate::token::refresh_store) fn roll_forward(&self) -> Result<(), StoreError> {
        let left = match text(&self.next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            left => left.map_err(|source| StoreError::Read {
                path: self.next.clone(),
                source,
            })?,
        };
        if is_complete(left.expose_secret()) {
            self.put_in_place()?;
        }
        Ok(())
    }

    /// Takes the room that a successor will need, so that a disk that is full or read-only is noticed
    /// before the token is presented, and not when there is a new one to lose.
    pub(in crate::token::refresh_store) fn rehearse(&self) -> Result<(), StoreError> {
        let room = || {
            let mut next = self.opened_next()?;
            next.set_len(0)?;
            next.write_all(&[FILLER; ROOM_BYTES])?;
            next.sync_all()
        };
        room().map_err(|source| {
            // The disk may be full; why it could not be written is what counts.
            drop(self.give_room_back());
            cannot_write(&self.next, source)
        })
    }

    /// Removes the room that was taken; a complete successor stays.
    pub(in crate::token::refresh_store) fn give_room_back(&self) -> Result<(), StoreError> {
        match text(&self.next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(left) if is_complete(left.expose_secret()) => Ok(()),
            _ => fs::remove_file(&self.next).map_err(|source| cannot_write(&self.next, source)),
        }
    }

    /// Writes the successor, durably, over the room that was taken for it.
    pub(in crate::token::refresh_store) fn write_next(
        &self,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        let mut line = Vec::from(token.expose_secret());
        line.push(b'\n');
        let line = zeroized(line);
        let write = || {
            let mut next = self.opened_next()?;
            next.rewind()?;
            next.write_all(line.expose_secret().as_bytes())?;
            next.sync_all()
        };
        write().map_err(|source| cannot_write(&self.next, source))
    }

    /// Renames the successor over the token.
    pub(in crate::token::refresh_store) fn put_in_place(&self) -> Result<(), StoreError> {
        let put = || {
            fs::rename(&self.next, &self.kept)?;
            let directory = match self.kept.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            File::open(directory)?.sync_all()
        };
        put().map_err(|source| cannot_write(&self.kept, source))
    }

    /// The disk gave no answer.
    pub(in crate::token::refresh_store) fn unusable(&self, source: io::Error) -> StoreError {
        cannot_write(&self.kept, source)
    }

    fn opened_next(&self) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWN)
            .open(&self.next)
    }

    fn empty(&self) -> StoreError {
        StoreError::Empty {
            place: self.kept.display().to_string(),
        }
    }
}

/// A first line of a token, and after it nothing but what the room was filled with.
fn is_complete(text: &str) -> bool {
    text.split_once('\n').is_some_and(|(line, rest)| {
        !line.is_empty()
            && line.bytes().all(|byte| byte.is_ascii_graphic())
            && rest.bytes().all(|byte| byte == FILLER)
    })
}

fn text(path: &Path) -> io::Result<SecretString> {
    let content = file::read(path, LARGEST_BYTES)?;
    match String::from_utf8(content) {
        Ok(text) => Ok(text.into()),
        Err(_) => Ok(SecretString::from("\u{fffd}")),
    }
}

/// A token is ASCII, so the conversion loses nothing.
fn zeroized(line: Vec<u8>) -> SecretString {
    String::from_utf8(line).unwrap_or_default().into()
}

fn cannot_write(path: &Path, source: io::Error) -> StoreError {
    StoreError::Write {
        path: path.to_owned(),
        source,
    }
}

/// For the gateway's own user alone.
const OWN: u32 = 0o600;

/// The bit of a file's mode that lets everyone read.
const READABLE_BY_EVERYONE: u32 = 0o004;

/// The bits of a file's mode that are permissions.
const PERMISSIONS: u32 = 0o7777;

/// Entra ID's refresh tokens have 1 to 2 KiB.
const ROOM_BYTES: usize = 8 * 1024;

/// What room is filled with: no part of a token, and no line end.
const FILLER: u8 = b' ';

/// No refresh token comes near it.
const LARGEST_BYTES: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn keeps_a_token_for_its_own_user_alone() {
        let (dir, files) = kept("first");

        renewed(&files, "second");

        assert_eq!(read(&files), "second");
        assert_eq!(names(&dir), ["token"]);
        let mode = fs::metadata(dir.path().join("token"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & PERMISSIONS, OWN);
    }

    #[test]
    fn loses_nothing_whichever_step_is_the_last() {
        let old_counts = ["claimed", "rehearsed", "half written"];
        for last in [&old_counts[..], &["written", "in place"]].concat() {
            let (_dir, files) = kept("first");
            until(&files, last);

            let again = Files::new(&files.kept);
            again.roll_forward().unwrap();

            let expected = if old_counts.contains(&last) {
                "first"
            } else {
                "second"
            };
            assert_eq!(read(&again), expected, "{last}");
            renewed(&again, "third");
            assert_eq!(read(&again), "third", "{last}");
        }
    }

    #[test]
    fn counts_a_successor_from_its_line_end_on() {
        for (text, complete) in [
            ("token\n", true),
            ("token\n    ", true),
            ("token", false),
            ("token    ", false),
            ("tok", false),
            ("", false),
            ("\n", false),
            ("   \n", false),
            ("to\0en\n", false),
            ("token\nrest", false),
        ] {
            assert_eq!(is_complete(text), complete, "{text:?}");
        }
    }

    #[test]
    fn takes_room_for_the_longest_token_beforehand() {
        let (dir, files) = kept("first");
        let longest = "x".repeat(ROOM_BYTES - 1);

        files.rehearse().unwrap();
        let room = fs::metadata(dir.path().join("token.next")).unwrap().len();
        files.write_next(&longest.clone().into()).unwrap();
        let used = fs::metadata(dir.path().join("token.next")).unwrap().len();
        files.put_in_place().unwrap();

        assert_eq!(room, used);
        assert_eq!(read(&files), longest);
    }

    #[test]
    fn gives_the_lock_to_one_at_a_time_and_frees_it_with_its_file() {
        let (_dir, files) = kept("first");
        let other = Files::new(&files.kept);

        let lock = files.try_lock().unwrap();

        assert!(lock.is_some());
        assert!(other.try_lock().unwrap().is_none());
        drop(lock);
        assert!(other.try_lock().unwrap().is_some());
    }

    #[test]
    fn refuses_what_everyone_can_read_and_what_is_no_token() {
        let (dir, files) = kept("first");
        let told = || files.read().unwrap_err().to_string();
        let path = dir.path().join("token");
        let close = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();

        close(0o644);
        assert_eq!(
            told(),
            format!(
                "{path:?} can be read by everyone (mode 0644); close it, such as with mode 0600"
            )
        );
        close(0o640);
        for text in ["two words", "two\nlines", "b\u{f6}se", "nul\0"] {
            fs::write(&path, text).unwrap();
            assert!(told().contains("is not a refresh token"), "{}", told());
        }
        for text in ["", "\n"] {
            fs::write(&path, text).unwrap();
            assert!(told().starts_with("no refresh token is kept"), "{}", told());
        }
        fs::remove_file(&path).unwrap();
        assert!(told().contains("`partner-gateway login`"), "{}", told());
    }

    #[test]
    fn notices_a_missing_directory_before_anything_is_presented() {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(&dir.path().join("absent/token"));

        let lock = files.try_lock().unwrap_err();
        let room = files.rehearse().unwrap_err();

        let path = dir.path().join("absent/token");
        assert_eq!(
            lock.to_string(),
            format!("writing \"{}.lock\"", path.display())
        );
        assert_eq!(
            room.to_string(),
            format!("writing \"{}.next\"", path.display())
        );
    }

    #[test]
    fn gives_room_back_and_no_complete_successor() {
        let (dir, files) = kept("first");

        files.rehearse().unwrap();
        files.give_room_back().unwrap();
        assert_eq!(names(&dir), ["token"]);
        until(&files, "written");
        files.give_room_back().unwrap();
        files.roll_forward().unwrap();

        assert_eq!(read(&files), "second");
    }

    /// Goes as far as a process that is killed after a step.
    fn until(files: &Files, last: &str) {
        files.roll_forward().unwrap();
        if last == "claimed" {
            return;
        }
        files.rehearse().unwrap();
        match last {
            "rehearsed" => {}
            "half written" => {
                let mut next = files.opened_next().unwrap();
                next.write_all(b"sec").unwrap();
            }
            _ => files.write_next(&"second".into()).unwrap(),
        }
        if last == "in place" {
            files.put_in_place().unwrap();
        }
    }

    fn renewed(files: &Files, token: &str) {
        files.roll_forward().unwrap();
        files.rehearse().unwrap();
        files.write_next(&token.into()).unwrap();
        files.put_in_place().unwrap();
    }

    fn kept(token: &str) -> (TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::new(&dir.path().join("token"));
        renewed(&files, token);
        (dir, files)
    }

    fn read(files: &Files) -> String {
        files.read().unwrap().token.expose_secret().to_owned()
    }

    fn names(dir: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}
