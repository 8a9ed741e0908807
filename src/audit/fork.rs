//! Where a journal ends because a sink has what the disk does not, and another one begins in its directory.
//!
//! A file says so before anything is moved, so that a start that was killed in between is gone on with by the next
//! one. It stays beside the new journal: the calls that the old one left open are closed there.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    audit::{chain::LineHash, durable::write_durably, identity::IDENTITY, low_water::Unfit},
    file,
    ids::JournalId,
};

/// What a sink has that the journal on the disk does not: a later record, or another line for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The sink's name.
    pub sink: String,
    /// The last record that it has.
    pub seq: u64,
    /// The hash of its line.
    pub hash: LineHash,
}

/// Which journal a new one goes on from, and why; the member `forked_from` of its first record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The journal that was ended.
    pub journal: String,
    /// Its last record on the disk.
    pub seq: u64,
    /// The hash of its line.
    pub head: String,
    /// The sink that has more, or something else.
    pub sink: String,
    /// The last record that it has.
    pub sink_seq: u64,
    /// The hash of its line.
    pub sink_head: String,
    /// Where the ended journal is, relative to the directory of this one.
    pub kept: String,
    /// Which of its records sinks had not acknowledged. They are not sent any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unacknowledged: Vec<Unacknowledged>,
}

/// Records of an ended journal that a sink had not acknowledged, as far as is known here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unacknowledged {
    /// The sink's name.
    pub sink: String,
    /// The first one.
    pub from: u64,
    /// The last one.
    pub upto: u64,
}

/// The end of one journal and the beginning of another, as it is kept on the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::audit) struct Passage {
    /// The journal that begins.
    pub(in crate::audit) journal: String,
    pub(in crate::audit) fork: Fork,
    /// The lines of the intents that the ended one has no outcome of.
    pub(in crate::audit) open: Vec<String>,
}

impl Passage {
    /// Reads the one that has begun and not ended, if there is one.
    pub(in crate::audit) fn under_way(dir: &Path) -> Result<Option<Self>, Unfit> {
        Self::read(dir.join(UNDER_WAY))
    }

    /// Reads the one that a journal came from, if it came from one.
    pub(in crate::audit) fn into(dir: &Path, journal: JournalId) -> Result<Option<Self>, Unfit> {
        let path = dir.join(DONE);
        match Self::read(path.clone())? {
            Some(passage) if passage.journal != journal.to_string() => {
                let found = passage.journal.chars().take(64).collect();
                Err(Unfit::Foreign { path, found })
            }
            passage => Ok(passage),
        }
    }

    fn read(path: PathBuf) -> Result<Option<Self>, Unfit> {
        let text = match file::read(&path, LARGEST_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Unfit::Io { path, source }),
        };
        let passage: Option<Self> = serde_json::from_slice(&text).ok();
        match passage.filter(|passage| is_inside(&passage.fork.kept)) {
            Some(passage) => Ok(Some(passage)),
            None => Err(Unfit::Odd {
                path,
                expected: "how the journal before this one was ended",
            }),
        }
    }

    /// Keeps it on the disk; from here on the journal is ended.
    pub(in crate::audit) fn begin(&self, dir: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        write_durably(dir, UNDER_WAY, &[&*text, b"\n"].concat())
    }

    /// Notes that everything is moved. Whoever calls makes it durable.
    pub(in crate::audit) fn end(dir: &Path) -> io::Result<()> {
        fs::rename(dir.join(UNDER_WAY), dir.join(DONE))
    }
}

/// Whether a start was interrupted while it ended the journal in a directory, which therefore is in two places.
#[must_use]
pub fn is_under_way(dir: &Path) -> bool {
    dir.join(UNDER_WAY).exists()
}

/// The directories of the journals that ended in a directory, by their names.
///
/// # Errors
///
/// When they cannot be listed; that there is none is no error.
pub fn ended(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir.join(ENDED)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut ended = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.join(IDENTITY).exists() {
            ended.push(path);
        }
    }
    ended.sort_unstable();
    Ok(ended)
}

/// The directory of the journal that goes on, where this is the one of a journal that ended in it.
#[must_use]
pub fn went_on_in(dir: &Path) -> Option<PathBuf> {
    // Of what a link leads to, and of `.`, the name says nothing.
    let dir = fs::canonicalize(dir).ok()?;
    let above = dir.parent()?;
    let is_ended = above.file_name().is_some_and(|name| name == ENDED);
    is_ended.then(|| above.parent().map(Path::to_owned))?
}

/// Where a journal that ends goes: a name that nothing has. The same one ends twice where a snapshot is restored twice.
pub(in crate::audit) fn place(dir: &Path, journal: JournalId) -> String {
    let names = std::iter::once(format!("{ENDED}/{journal}"))
        .chain((2_u32..).map(|time| format!("{ENDED}/{journal}.{time}")));
    let mut free = names.filter(|name| fs::symlink_metadata(dir.join(name)).is_err());
    free.next().unwrap_or_default()
}

/// Whether it is a name directly under the directory of ended journals.
fn is_inside(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    let is_ended = |part| matches!(part, Component::Normal(name) if name == ENDED);
    parts.next().is_some_and(is_ended)
        && matches!(parts.next(), Some(Component::Normal(_)))
        && parts.next().is_none()
}

/// The directory of journals that have ended.
pub(in crate::audit) const ENDED: &str = "ended";

const UNDER_WAY: &str = "ending.json";

/// Beside the journal that began.
pub(in crate::audit) const DONE: &str = "forked.json";

/// Calls in flight at a crash, with an intent of 8 KiB each; more than there ever are.
const LARGEST_BYTES: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn passage(kept: &str) -> Passage {
        Passage {
            journal: JOURNAL.to_owned(),
            fork: Fork {
                journal: "7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned(),
                seq: 3,
                head: LineHash::of(b"3").to_string(),
                sink: "central".to_owned(),
                sink_seq: 5,
                sink_head: LineHash::of(b"5").to_string(),
                kept: kept.to_owned(),
                unacknowledged: Vec::new(),
            },
            open: vec!["{}".to_owned()],
        }
    }

    #[test]
    fn is_read_as_it_was_written_and_belongs_to_one_journal() {
        let dir = tempfile::tempdir().unwrap();
        let written = passage("ended/7c9e6679-7425-40de-944b-e07fc1f90ae7");
        let journal = JOURNAL.parse().unwrap();

        assert_eq!(Passage::under_way(dir.path()).unwrap(), None);
        written.begin(dir.path()).unwrap();
        assert!(is_under_way(dir.path()));
        let begun = Passage::under_way(dir.path()).unwrap();
        assert_eq!(Passage::into(dir.path(), journal).unwrap(), None);
        Passage::end(dir.path()).unwrap();

        assert!(!is_under_way(dir.path()));
        assert_eq!(begun.as_ref(), Some(&written));
        assert_eq!(Passage::into(dir.path(), journal).unwrap(), Some(written));
        let other = Passage::into(dir.path(), JournalId::random()).unwrap_err();
        assert!(matches!(other, Unfit::Foreign { .. }), "{other}");
    }

    #[test]
    fn leads_nowhere_but_into_the_directory_of_those_that_ended() {
        for kept in [
            "",
            "ended",
            "../x",
            "ended/..",
            "ended/a/b",
            "/ended/a",
            "cursors/a",
        ] {
            let dir = tempfile::tempdir().unwrap();
            passage(kept).begin(dir.path()).unwrap();

            let odd = Passage::under_way(dir.path()).unwrap_err();

            assert!(matches!(odd, Unfit::Odd { .. }), "{kept}: {odd}");
        }
    }

    #[test]
    fn has_a_place_of_its_own_each_time_that_a_journal_ends() {
        let dir = tempfile::tempdir().unwrap();
        let journal: JournalId = JOURNAL.parse().unwrap();
        let mut places = Vec::new();
        for _ in 0..3 {
            let name = place(dir.path(), journal);
            fs::create_dir_all(dir.path().join(&name)).unwrap();
            fs::write(dir.path().join(&name).join(IDENTITY), JOURNAL).unwrap();
            places.push(name);
        }

        let named = ["", ".2", ".3"].map(|end| format!("ended/{JOURNAL}{end}"));
        assert_eq!(places, named);
        assert_eq!(
            ended(dir.path()).unwrap(),
            named.map(|it| dir.path().join(it))
        );
        let next = went_on_in(&dir.path().join(&places[1])).unwrap();
        assert_eq!(next, fs::canonicalize(dir.path()).unwrap());
        assert_eq!(went_on_in(dir.path()), None);
    }
}
