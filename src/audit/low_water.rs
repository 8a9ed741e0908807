//! The low-water mark: records that are known to have been on the disk.
//!
//! A checkpoint was synced, or a sink has acknowledged them. A journal that ends before one, or holds another line in
//! its place, was not torn by a crash.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::{
    audit::{
        chain::LineHash,
        cursor::{self, Kept},
        durable::write_durably,
        link::Link,
    },
    file,
    ids::JournalId,
};

/// What is vouched for, and by which files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LowWater {
    marks: BTreeMap<u64, Vec<Mark>>,
    /// The journal that the checkpoint names.
    journal: Option<(PathBuf, String)>,
}

/// That a record was on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The hash of its line.
    pub hash: LineHash,
    /// The file that says so.
    pub by: PathBuf,
}

/// What vouches for records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It cannot be read.
    #[error("reading {path:?}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{path:?} does not hold {expected}, so it is not known how far the journal must reach; restore the file from a backup, or compare the journal with a copy from elsewhere and then remove the file"
    )]
    Odd {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// It is of another journal.
    #[error(
        "{path:?} is of another journal ({found:?}); see whether this is the right directory, because the journal in it or this file was replaced"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The journal that it names.
        found: String,
    },
}

/// Keeps a checkpoint's line as the last one that is on the disk.
///
/// # Errors
///
/// When it cannot be written; the one before it is still there.
pub fn keep(dir: &Path, line: &[u8]) -> io::Result<()> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    write_durably(dir, CHECKPOINT_FILE, &[line, b"\n"].concat())
}

/// Reads everything that vouches for records of the journal in `dir`.
///
/// # Errors
///
/// When a file is there that cannot be read or holds something else.
pub fn read(dir: &Path) -> Result<LowWater, Unfit> {
    let mut low_water = LowWater::default();
    low_water.take_checkpoint(dir.join(CHECKPOINT_FILE))?;
    let cursors = cursor::list(dir).map_err(|source| Unfit::Io {
        path: dir.to_owned(),
        source,
    })?;
    for Kept { path, cursor } in cursors {
        let Some(cursor) = cursor else {
            let expected = "a sink's cursor";
            return Err(Unfit::Odd { path, expected });
        };
        low_water.take(cursor.seq, cursor.hash, path);
    }
    Ok(low_water)
}

impl LowWater {
    /// Whether nothing is vouched for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// The highest record that is vouched for.
    #[must_use]
    pub fn highest(&self) -> Option<(u64, &Mark)> {
        let (seq, marks) = self.marks.last_key_value()?;
        Some((*seq, marks.first()?))
    }

    /// Who vouches for another line under this number, if anybody does.
    #[must_use]
    pub fn denial(&self, seq: u64, hash: LineHash) -> Option<&Mark> {
        self.marks.get(&seq)?.iter().find(|mark| mark.hash != hash)
    }

    /// Sees to it that all of it is of one journal.
    ///
    /// # Errors
    ///
    /// When it is of another one.
    pub fn belongs_to(&self, journal: JournalId) -> Result<(), Unfit> {
        match &self.journal {
            Some((path, found)) if *found != journal.to_string() => Err(Unfit::Foreign {
                path: path.clone(),
                found: found.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn take_checkpoint(&mut self, path: PathBuf) -> Result<(), Unfit> {
        let line = match file::read(&path, file::LARGEST_BYTES) {
            Ok(line) => line,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(Unfit::Io { path, source }),
        };
        let Some(record) = Link::read(&line).filter(Link::is_checkpoint) else {
            let expected = "a checkpoint's line";
            return Err(Unfit::Odd { path, expected });
        };
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        self.journal = Some((path.clone(), record.journal.chars().take(64).collect()));
        self.take(record.seq, LineHash::of(line), path);
        Ok(())
    }

    fn take(&mut self, seq: u64, hash: LineHash, by: PathBuf) {
        // A sink that has acknowledged nothing so far vouches for nothing.
        if seq > 0 {
            self.marks.entry(seq).or_default().push(Mark { hash, by });
        }
    }
}

pub(in crate::audit) const CHECKPOINT_FILE: &str = "checkpoint.json";

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use std::fs;

    use super::*;
    use crate::audit::cursor::Cursor;

    const JOURNAL: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    fn line(seq: u64, kind: &str) -> String {
        format!(r#"{{"v":1,"journal":"{JOURNAL}","seq":{seq},"kind":"{kind}","prev":""}}"#)
    }

    #[test]
    fn vouches_for_what_was_kept_last_and_for_what_sinks_have() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), LowWater::default());

        keep(dir.path(), line(3, "checkpoint").as_bytes()).unwrap();
        let last = line(6, "checkpoint");
        keep(dir.path(), format!("{last}\n").as_bytes()).unwrap();
        for (sink, seq) in [("behind", 2), ("new", 0), ("ahead", 8)] {
            let cursor = Cursor::at(seq, LineHash::of(b"x"), SystemTime::UNIX_EPOCH);
            cursor.write(dir.path(), sink).unwrap();
        }

        let low_water = read(dir.path()).unwrap();
        let (seq, mark) = low_water.highest().unwrap();
        assert_eq!((seq, &mark.by), (8, &dir.path().join("cursors/ahead.json")));
        let numbers: Vec<_> = low_water.marks.keys().copied().collect();
        assert_eq!(numbers, [2, 6, 8]);
        assert_eq!(low_water.denial(6, LineHash::of(last.as_bytes())), None);
        assert_eq!(low_water.denial(7, LineHash::NONE), None);
        let denied = low_water.denial(6, LineHash::NONE).unwrap();
        assert_eq!(denied.by, dir.path().join("checkpoint.json"));
        low_water.belongs_to(JOURNAL.parse().unwrap()).unwrap();
        let other = low_water.belongs_to(JournalId::random()).unwrap_err();
        assert!(matches!(other, Unfit::Foreign { .. }), "{other}");
    }

    #[test]
    fn says_what_is_wrong_with_a_file_and_how_to_mend_it() {
        let odd = [
            String::new(),
            "{}\n".to_owned(),
            line(3, "checkpoint"),
            line(3, "outcome") + "\n",
        ];
        for odd in odd {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("checkpoint.json"), odd).unwrap();

            let unfit = read(dir.path()).unwrap_err();

            let told = unfit
                .to_string()
                .replace(dir.path().to_str().unwrap(), "DIR");
            insta::allow_duplicates! {
                insta::assert_snapshot!(told, @r#""DIR/checkpoint.json" does not hold a checkpoint's line, so it is not known how far the journal must reach; restore the file from a backup, or compare the journal with a copy from elsewhere and then remove the file"#);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cursors")).unwrap();
        fs::write(dir.path().join("cursors/nats.json"), r#"{"seq":1}"#).unwrap();
        let unfit = read(dir.path()).unwrap_err().to_string();
        assert!(unfit.contains(r#"/cursors/nats.json" does not hold a sink's cursor"#));
    }
}
