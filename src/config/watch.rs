//! Notices that files have changed, by what they hold.
//!
//! Kubernetes replaces a whole directory by swapping a symlink, editors rename, and people write in
//! place. What counts is what stands there in the end, so the files are read, not listened to.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};

use crate::file;

/// What files held when they were read; nothing where they could not be.
pub type Read = BTreeMap<PathBuf, Option<Fingerprint>>;

/// What a file holds, as a hash.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

/// Files, and what they held when they were last acted upon.
#[derive(Debug)]
pub struct Watch {
    acted_upon: Read,
    /// Seen once; acted upon when it is seen again, for by then whoever writes has likely finished.
    seen: Option<Read>,
}

impl Fingerprint {
    pub(crate) fn of(content: &[u8]) -> Self {
        let hash = digest(&SHA256, content);
        Self(hash.as_ref().first_chunk().copied().unwrap_or_default())
    }
}

/// Does not show the hash: a file may hold a secret that can be guessed.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

impl Watch {
    /// Watches files from what they held when they were read.
    #[must_use]
    pub fn since(read: Read) -> Self {
        Self {
            acted_upon: read,
            seen: None,
        }
    }

    /// Whether the files hold something else than what was acted upon, and have come to rest.
    pub fn has_changed(&mut self) -> bool {
        let held = |file: &PathBuf| (file.clone(), read(file));
        let now: Read = self.acted_upon.keys().map(held).collect();
        if now == self.acted_upon {
            self.seen = None;
            return false;
        }
        let at_rest = self.seen.as_ref() == Some(&now);
        self.seen = Some(now);
        at_rest
    }

    /// Whether files still hold what was read from them, so that it belongs together.
    #[must_use]
    pub fn still_hold(read_before: &Read) -> bool {
        read_before.iter().all(|(file, held)| read(file) == *held)
    }

    /// Notes that a sound configuration was read from these files; no others count from now on.
    pub fn note_sound(&mut self, read: Read) {
        *self = Self::since(read);
    }

    /// Notes what was read in vain. Files that it did not come to stay watched: they may be what the
    /// next attempt reads.
    pub fn note_unsound(&mut self, read: Read) {
        self.acted_upon.extend(self.seen.take().unwrap_or_default());
        self.acted_upon.extend(read);
    }
}

fn read(path: &Path) -> Option<Fingerprint> {
    let content = file::read(path, file::LARGEST_BYTES).ok()?;
    Some(Fingerprint::of(&content))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    fn watch(file: &Path) -> Watch {
        Watch::since(Read::from([(file.to_owned(), read(file))]))
    }

    fn note(watch: &mut Watch, file: &Path) {
        watch.note_sound(Read::from([(file.to_owned(), read(file))]));
    }

    #[test]
    fn notices_a_change_once_it_has_come_to_rest() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "one").unwrap();
        let mut watch = watch(&file);
        assert!(!watch.has_changed());

        fs::write(&file, "tw").unwrap();
        assert!(!watch.has_changed());
        fs::write(&file, "two").unwrap();
        assert!(!watch.has_changed());
        assert!(watch.has_changed());
        assert!(watch.has_changed(), "until it is acted upon");
        note(&mut watch, &file);
        assert!(!watch.has_changed());

        fs::write(&file, "three").unwrap();
        assert!(!watch.has_changed());
        fs::write(&file, "two").unwrap();
        assert!(!watch.has_changed(), "back to what it was");
        fs::write(&file, "three").unwrap();
        assert!(!watch.has_changed());
    }

    #[test]
    fn tells_what_was_read_from_files_that_have_changed_since() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "one").unwrap();
        let held = Read::from([(file.clone(), read(&file))]);

        assert!(Watch::still_hold(&held));
        fs::write(&file, "two").unwrap();
        assert!(!Watch::still_hold(&held));
    }

    #[test]
    fn notices_a_change_between_reading_and_watching() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "one").unwrap();
        let read = Read::from([(file.clone(), read(&file))]);
        fs::write(&file, "two").unwrap();

        let mut watch = Watch::since(read);

        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
    }

    #[test]
    fn forgets_a_file_that_a_sound_configuration_does_not_name_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("old"), "one").unwrap();
        fs::write(path("new"), "one").unwrap();
        let mut watch = watch(&path("old"));

        note(&mut watch, &path("new"));
        fs::remove_file(path("old")).unwrap();

        assert_eq!([watch.has_changed(), watch.has_changed()], [false, false]);
    }

    #[test]
    fn tries_no_second_time_what_has_not_changed_since_it_failed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["gateway.yaml", "secret"] {
            fs::write(path(name), "one").unwrap();
        }
        let held = |name: &str| (path(name), read(&path(name)));
        let mut watch = Watch::since(Read::from([held("gateway.yaml"), held("secret")]));
        fs::write(path("gateway.yaml"), "no yaml").unwrap();
        fs::write(path("secret"), "two").unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);

        // The attempt did not come to the secret.
        watch.note_unsound(Read::from([held("gateway.yaml")]));

        assert_eq!([watch.has_changed(), watch.has_changed()], [false, false]);
        fs::write(path("secret"), "three").unwrap();
        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
    }

    #[test]
    fn notices_a_file_that_comes_and_one_that_goes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let mut watch = watch(&file);

        for _ in 0..2 {
            fs::write(&file, "").unwrap();
            assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
            note(&mut watch, &file);
            fs::remove_file(&file).unwrap();
            assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
            note(&mut watch, &file);
        }
    }

    #[test]
    fn notices_the_swap_of_a_symlink_to_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for (version, content) in [("..one", "one"), ("..two", "two")] {
            fs::create_dir(path(version)).unwrap();
            fs::write(path(version).join("file"), content).unwrap();
        }
        symlink("..one", path("..data")).unwrap();
        symlink("..data/file", path("file")).unwrap();
        let mut watch = watch(&path("file"));

        symlink("..two", path("..data_tmp")).unwrap();
        fs::rename(path("..data_tmp"), path("..data")).unwrap();

        assert_eq!([watch.has_changed(), watch.has_changed()], [false, true]);
    }
}
