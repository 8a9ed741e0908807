//! The steps of keeping a refresh token in a file, each of which a crash may be the last of.
//!
//! The successor is written beside the token and renamed over it. Its line end decides: from the moment
//! it is there, the successor counts, whoever did or did not live to rename it; before, it never was.

use std::{
    fs::{self, File, Metadata, OpenOptions, TryLockError},
    io::{self, Seek as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};
use tracing::warn;

use crate::{
    file,
    token::refresh_store::{Kept, error::StoreError, own_file, well_formed},
};

/// The token, its successor while that is being written, and the lock of whoever presents it.
#[derive(Clone, Debug)]
pub(in crate::token::refresh_store) struct Files {
    kept: PathBuf,
    next: PathBuf,
    lock: PathBuf,
    probe: PathBuf,
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
            probe: beside(".probe"),
        }
    }

    /// Follows links to the token, so that the files beside it are the same whichever way leads there.
    pub(in crate::token::refresh_store) fn resolved(&self) -> Result<Self, StoreError> {
        let real = own_file::real(&self.kept);
        let real = real.map_err(|source| cannot_read(&self.kept, source))?;
        Ok(Self::new(&real))
    }

    /// Takes the lock, if nobody has it; the kernel frees it when its holder dies.
    pub(in crate::token::refresh_store) fn try_lock(&self) -> Result<Option<File>, StoreError> {
        let cannot = |source| cannot_write(&self.lock, source);
        let opened = match own_file::found(&self.lock).map_err(cannot)? {
            None => own_file::create(&self.lock, &self.kept),
            Some(found) => {
                refuse_other_kind(&self.lock, &found)?;
                OpenOptions::new().write(true).open(&self.lock)
            }
        };
        match opened {
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
            opened => self.try_lock_opened(opened.map_err(cannot)?),
        }
    }

    fn try_lock_opened(&self, lock: File) -> Result<Option<File>, StoreError> {
        let cannot = |source| cannot_write(&self.lock, source);
        match lock.try_lock() {
            Ok(()) if own_file::is_at(&lock, &self.lock).map_err(cannot)? => Ok(Some(lock)),
            // A file that was removed meanwhile locks nobody out who comes later.
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(source)) => Err(cannot(source)),
        }
    }

    /// Reads what is kept.
    pub(in crate::token::refresh_store) fn read(&self) -> Result<Kept, StoreError> {
        let unreadable = |source| cannot_read(&self.kept, source);
        let metadata = match fs::metadata(&self.kept) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.empty()),
            found => found.map_err(unreadable)?,
        };
        self.refuse_other_kind_of_token(&metadata)?;
        let mode = metadata.permissions().mode();
        if mode & own_file::READABLE_BY_EVERYONE != 0 {
            return Err(StoreError::Exposed {
                path: self.kept.clone(),
                mode: mode & own_file::PERMISSIONS,
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
        let cannot = |source| cannot_read(&self.next, source);
        let Some(found) = own_file::found(&self.next).map_err(cannot)? else {
            return Ok(());
        };
        self.refuse_other_makers(&found)?;
        match File::open(&self.next).map_err(cannot)?.try_lock_shared() {
            Ok(()) => {}
            // Somebody has removed the lock of a process that goes on.
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
            Err(TryLockError::Error(source)) => return Err(cannot(source)),
        }
        if is_complete(text(&self.next).map_err(cannot)?.expose_secret()) {
            self.refuse_overtaken(&found)?;
            self.put_in_place()?;
            warn!(path = %self.kept.display(), "refresh token kept that a crash had left beside its place");
        }
        Ok(())
    }

    /// Takes the room that a successor will need, so that a disk that is full or read-only is noticed
    /// before the token is presented, and not when there is a new one to lose. Its file is made anew each
    /// time, as one that is there may be anybody's, and is locked, should the lock itself be removed.
    pub(in crate::token::refresh_store) fn rehearse(&self) -> Result<File, StoreError> {
        if let Ok(metadata) = fs::metadata(&self.kept) {
            self.refuse_other_kind_of_token(&metadata)?;
        }
        let room = || {
            let mut next = own_file::create_anew(&self.next, &self.kept)?;
            next.try_lock()?;
            next.write_all(&[FILLER; ROOM_BYTES])?;
            next.sync_all()?;
            Ok(next)
        };
        room().map_err(|source| {
            // The disk may be full; why it could not be written is what counts.
            drop(self.give_room_back());
            cannot_write(&self.next, source)
        })
    }

    /// Removes the room that was taken; a complete successor stays.
    pub(in crate::token::refresh_store) fn give_room_back(&self) -> Result<(), StoreError> {
        let cannot = |source| cannot_write(&self.next, source);
        match own_file::found(&self.next).map_err(cannot)? {
            Some(found) if found.is_file() => {}
            _ => return Ok(()),
        }
        match text(&self.next) {
            Ok(left) if is_complete(left.expose_secret()) => Ok(()),
            _ => own_file::remove(&self.next).map_err(cannot),
        }
    }

    /// Writes the successor, durably, into the room that was taken for it, or into a file made anew where
    /// another one has taken the room's place.
    pub(in crate::token::refresh_store) fn write_next(
        &self,
        room: &File,
        token: &SecretString,
    ) -> Result<(), StoreError> {
        let line = self.line(token)?;
        let write_into = |mut next: &File| {
            next.rewind()?;
            next.write_all(line.expose_secret().as_bytes())?;
            next.sync_all()
        };
        let write = || {
            if own_file::is_at(room, &self.next)? {
                return write_into(room);
            }
            write_into(&own_file::create_anew(&self.next, &self.kept)?)
        };
        write().map_err(|source| cannot_write(&self.next, source))
    }

    /// Renames the successor over the token.
    pub(in crate::token::refresh_store) fn put_in_place(&self) -> Result<(), StoreError> {
        let put = || {
            fs::rename(&self.next, &self.kept)?;
            File::open(own_file::directory(&self.kept))?.sync_all()
        };
        put().map_err(|source| cannot_write(&self.kept, source))
    }

    /// The disk gave no answer.
    pub(in crate::token::refresh_store) fn unusable(&self, source: io::Error) -> StoreError {
        cannot_write(&self.kept, source)
    }

    /// What is kept must be such that it can be read again.
    fn line(&self, token: &SecretString) -> Result<SecretString, StoreError> {
        let length_bytes = token.expose_secret().len().saturating_add(1);
        if u64::try_from(length_bytes).is_ok_and(|length| length > LARGEST_BYTES) {
            return Err(StoreError::TooLong {
                path: self.kept.clone(),
                length_bytes,
                limit_bytes: LARGEST_BYTES,
            });
        }
        let mut line = String::with_capacity(length_bytes);
        line.push_str(token.expose_secret());
        line.push('\n');
        Ok(line.into())
    }

    fn refuse_other_kind_of_token(&self, found: &Metadata) -> Result<(), StoreError> {
        let path = self.kept.clone();
        let kind = own_file::other_kind(found.file_type());
        kind.map_or(Ok(()), |kind| Err(StoreError::Kind { path, kind }))
    }

    /// A successor is believed when this process could have written it.
    fn refuse_other_makers(&self, found: &Metadata) -> Result<(), StoreError> {
        refuse_other_kind(&self.next, found)?;
        let strange = own_file::strangeness(found, &self.probe, &self.kept);
        let strange = strange.map_err(|source| cannot_write(&self.probe, source))?;
        strange.map_or(Ok(()), |what| Err(foreign(&self.next, what)))
    }

    /// A token that is later than its successor was put there by hand, or the clock was set back. The
    /// wrong one of the two may end the consent, so a person decides.
    fn refuse_overtaken(&self, next: &Metadata) -> Result<(), StoreError> {
        let kept = fs::metadata(&self.kept).and_then(|it| it.modified());
        match (kept, next.modified()) {
            (Ok(kept), Ok(next)) if kept > next => Err(StoreError::Overtaken {
                next: self.next.clone(),
                kept: self.kept.clone(),
            }),
            _ => Ok(()),
        }
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

/// Nothing but a regular file is opened, because a link may lead to another's.
fn refuse_other_kind(path: &Path, found: &Metadata) -> Result<(), StoreError> {
    own_file::other_kind(found.file_type())
        .map_or(Ok(()), |kind| Err(foreign(path, kind.to_owned())))
}

fn foreign(path: &Path, what: String) -> StoreError {
    StoreError::Foreign {
        path: path.to_owned(),
        what,
    }
}

fn cannot_read(path: &Path, source: io::Error) -> StoreError {
    StoreError::Read {
        path: path.to_owned(),
        source,
    }
}

fn cannot_write(path: &Path, source: io::Error) -> StoreError {
    StoreError::Write {
        path: path.to_owned(),
        source,
    }
}

/// Entra ID's refresh tokens have 1 to 2 KiB.
const ROOM_BYTES: usize = 8 * 1024;

/// What room is filled with: no part of a token, and no line end.
const FILLER: u8 = b' ';

/// No refresh token comes near it.
const LARGEST_BYTES: u64 = 1 << 16;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use std::os::unix::fs::symlink;

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
        assert_eq!(mode.mode() & own_file::PERMISSIONS, 0o600);
    }

    #[test]
    fn leaves_every_file_to_the_owner_of_the_token_or_of_its_directory() {
        let (dir, files) = kept("first");
        let owner = |name: &str| fs::metadata(dir.path().join(name)).unwrap().uid();
        // Only root can give files away; to anybody else the two are one.
        let given = |name: &str, uid: u32| {
            std::os::unix::fs::chown(dir.path().join(name), Some(uid), None).ok();
            owner(name)
        };
        let (gateway, other) = (given("token", 4711), given("", 4712));

        drop(files.try_lock().unwrap());
        let room = files.rehearse().unwrap();
        let beside = [owner("token.lock"), owner("token.next")];
        drop(room);
        renewed(&files, "second");
        let renewed_by_root = owner("token");
        fs::remove_file(dir.path().join("token")).unwrap();
        renewed(&files, "third");

        assert_eq!(beside, [gateway; 2]);
        assert_eq!(renewed_by_root, gateway);
        assert_eq!(owner("token"), other);
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

        let taken = files.rehearse().unwrap();
        let room = taken.metadata().unwrap().len();
        files.write_next(&taken, &longest.clone().into()).unwrap();
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

    #[test]
    fn writes_into_nothing_that_somebody_else_has_made() {
        for spoil in ["link", "file"] {
            let (dir, files) = kept("first");
            let (next, victim) = (dir.path().join("token.next"), dir.path().join("victim"));
            let spoilt = || match spoil {
                "link" => symlink(&victim, &next).unwrap(),
                _ => open_to_everyone(&next, "else"),
            };
            fs::write(&victim, "theirs").unwrap();

            spoilt();
            let room = files.rehearse().unwrap();
            let taken = mode(&next);
            fs::remove_file(&next).unwrap();
            spoilt();
            files.write_next(&room, &"second".into()).unwrap();
            files.put_in_place().unwrap();

            assert_eq!((taken, mode(&files.kept)), (0o600, 0o600), "{spoil}");
            assert_eq!(read(&files), "second", "{spoil}");
            assert_eq!(fs::read_to_string(&victim).unwrap(), "theirs", "{spoil}");
        }
    }

    #[test]
    fn makes_its_room_anew_each_time_so_that_a_closed_directory_is_noticed() {
        let (_dir, files) = kept("first");
        fs::write(&files.next, "torn").unwrap();
        let torn = File::open(&files.next).unwrap();

        let room = files.rehearse().unwrap();

        assert!(!own_file::is_at(&torn, &files.next).unwrap());
        assert!(own_file::is_at(&room, &files.next).unwrap());
    }

    #[test]
    fn puts_no_successor_in_place_that_it_could_not_have_written() {
        let (dir, files) = kept("first");
        let next = dir.path().join("token.next");
        let victim = dir.path().join("victim");
        fs::write(&victim, "theirs\n").unwrap();

        open_to_everyone(&next, "theirs\n");
        let open = files.roll_forward().unwrap_err();
        fs::remove_file(&next).unwrap();
        symlink(&victim, &next).unwrap();
        let link = files.roll_forward().unwrap_err();

        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&victim).unwrap());
        let told = |what: &str| {
            format!(
                "{next:?} is not the gateway's own: {what}; see who put it there, and remove it"
            )
        };
        let modes = format!("owner {owner}, mode 0666 instead of owner {owner}, mode 0600");
        assert_eq!(open.to_string(), told(&modes));
        assert_eq!(link.to_string(), told("a symbolic link"));
        assert_eq!(read(&files), "first");
        assert_eq!(names(&dir), ["token", "token.next", "victim"]);
    }

    #[test]
    fn lets_a_person_decide_between_a_successor_and_a_later_token() {
        let (_dir, files) = kept("first");
        until(&files, "written");
        let written = fs::metadata(&files.next).unwrap().modified().unwrap();
        let kept = File::options().write(true).open(&files.kept).unwrap();

        kept.set_modified(written + std::time::Duration::from_secs(1))
            .unwrap();
        let told = files.roll_forward().unwrap_err().to_string();
        let stays = read(&files);
        kept.set_modified(written).unwrap();
        files.roll_forward().unwrap();

        assert!(told.contains("was written later"), "{told}");
        assert_eq!((stays.as_str(), read(&files).as_str()), ("first", "second"));
    }

    #[test]
    fn locks_through_no_link_and_by_no_file_that_was_removed() {
        let (dir, files) = kept("first");
        let lock = dir.path().join("token.lock");
        let holder = files.try_lock().unwrap().unwrap();
        let room = files.rehearse().unwrap();
        let opened = File::options().write(true).open(&lock).unwrap();

        fs::remove_file(&lock).unwrap();
        drop(holder);
        let removed = files.try_lock_opened(opened).unwrap();
        let beside = files.try_lock().unwrap();
        let presenting = files.roll_forward();
        drop((beside, room));
        files.roll_forward().unwrap();
        fs::remove_file(&lock).unwrap();
        symlink(dir.path().join("victim"), &lock).unwrap();
        let link = files.try_lock().unwrap_err().to_string();

        assert!(
            matches!(presenting, Err(StoreError::Busy)),
            "{presenting:?}"
        );
        assert!(removed.is_none());
        assert!(link.contains("a symbolic link"), "{link}");
        assert!(!dir.path().join("victim").exists());
    }

    #[test]
    fn leaves_a_link_to_the_token_where_it_is() {
        let (dir, real) = kept("first");
        let elsewhere = tempfile::tempdir().unwrap();
        let (link, early) = (
            elsewhere.path().join("link"),
            elsewhere.path().join("early"),
        );
        symlink(&real.kept, &link).unwrap();
        symlink(dir.path().join("other"), &early).unwrap();

        renewed(&Files::new(&link).resolved().unwrap(), "second");
        renewed(&Files::new(&early).resolved().unwrap(), "third");

        assert_eq!(fs::read_link(&link).unwrap(), real.kept);
        assert_eq!(read(&real), "second");
        assert_eq!(read(&Files::new(&early)), "third");
        assert_eq!(names(&dir), ["other", "token"]);
        assert_eq!(names(&elsewhere), ["early", "link"]);
    }

    #[test]
    fn keeps_nothing_that_could_not_be_read_again() {
        let (_dir, files) = kept("first");
        let limit = usize::try_from(LARGEST_BYTES).unwrap();
        let room = files.rehearse().unwrap();

        let told = files.write_next(&room, &"x".repeat(limit).into());
        files.roll_forward().unwrap_err();
        let stays = read(&files);
        drop(room);
        files.roll_forward().unwrap();
        renewed(&files, &"x".repeat(limit - 1));

        let expected = format!(
            "a new refresh token has 65537 bytes, more than the 65536 that {:?} may have",
            files.kept
        );
        assert_eq!(told.unwrap_err().to_string(), expected);
        assert_eq!(stays, "first");
        assert_eq!(read(&files).len(), limit - 1);
    }

    #[test]
    fn names_what_is_in_the_place_of_a_token() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [(dir.path(), "a directory"), (&socket, "a socket")] {
            let files = Files::new(path);

            let read = files.read().unwrap_err().to_string();
            let room = files.rehearse().unwrap_err().to_string();

            let told = format!("{path:?} is {kind}; accepted: a regular file");
            assert_eq!((&read, &room), (&told, &told));
        }
    }

    fn open_to_everyone(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    }

    fn mode(path: &Path) -> u32 {
        let permissions = fs::symlink_metadata(path).unwrap().permissions();
        permissions.mode() & own_file::PERMISSIONS
    }

    /// Goes as far as a process that is killed after a step.
    fn until(files: &Files, last: &str) {
        files.roll_forward().unwrap();
        if last == "claimed" {
            return;
        }
        let mut room = files.rehearse().unwrap();
        match last {
            "rehearsed" => {}
            "half written" => {
                room.rewind().unwrap();
                room.write_all(b"sec").unwrap();
            }
            _ => files.write_next(&room, &"second".into()).unwrap(),
        }
        if last == "in place" {
            files.put_in_place().unwrap();
        }
    }

    fn renewed(files: &Files, token: &str) {
        files.roll_forward().unwrap();
        let room = files.rehearse().unwrap();
        files.write_next(&room, &token.into()).unwrap();
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
