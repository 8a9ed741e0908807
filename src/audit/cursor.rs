//! Cursors: how far each sink has acknowledged the journal, one small file a sink.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{
    audit::{
        chain::LineHash,
        durable::{make_directory, sync_directory, write_durably},
    },
    file,
};

/// The last record that a sink has acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its number.
    pub seq: u64,
    /// The hash of its line.
    pub hash: LineHash,
    /// When the sink said so.
    pub acknowledged: SystemTime,
    /// What the sink had acknowledged some time before, the oldest first; a few entries.
    pub earlier: Vec<Mark>,
    /// How many records were set aside since the sink last took one.
    pub set_aside: u32,
}

/// A number up to which a sink had acknowledged the journal at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The last record of them.
    pub seq: u64,
    /// When.
    pub acknowledged: SystemTime,
}

/// A cursor's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds; nothing where that is no cursor.
    pub cursor: Option<Cursor>,
}

impl Cursor {
    /// The cursor of a sink that has had records before and has nothing of what the journal has: it is remembered
    /// that it was in use.
    #[must_use]
    pub fn of_nothing(since: SystemTime) -> Self {
        Self::at(0, LineHash::NONE, since)
    }

    /// The cursor of a sink that acknowledges for the first time.
    #[must_use]
    pub fn at(seq: u64, hash: LineHash, acknowledged: SystemTime) -> Self {
        Self {
            seq,
            hash,
            acknowledged,
            earlier: Vec::new(),
            set_aside: 0,
        }
    }

    /// Moves on to a later record. What had been acknowledged before is remembered now and then, for so
    /// long that it can be told what was acknowledged at least `keep` ago.
    pub fn advance(&mut self, seq: u64, hash: LineHash, at: SystemTime, keep: Duration) {
        let before = Mark {
            seq: self.seq,
            acknowledged: self.acknowledged,
        };
        let apart = keep.checked_div(REMEMBERED).unwrap_or_default();
        let last = self.earlier.last().map(|last| last.acknowledged);
        if last.is_none_or(|last| is_past(last, before.acknowledged, apart)) {
            self.earlier.push(before);
        }
        // What a clock that was ahead has left would be in the way until its time comes.
        self.earlier.retain(|mark| mark.acknowledged <= at);
        let mut all = self.earlier.iter();
        if let Some(old) = all.rposition(|mark| is_past(mark.acknowledged, at, keep)) {
            self.earlier.drain(..old);
        }
        (self.seq, self.hash, self.acknowledged) = (seq, hash, at);
        self.set_aside = 0;
    }

    /// Moves on to a record that the sink refused for good, as [`Self::advance`] does, and counts it.
    pub fn pass(&mut self, seq: u64, hash: LineHash, at: SystemTime, keep: Duration) {
        let set_aside = self.set_aside.saturating_add(1);
        self.advance(seq, hash, at, keep);
        self.set_aside = set_aside;
    }

    /// Whether a record had been acknowledged for at least `keep`.
    #[must_use]
    pub fn had_acknowledged(&self, seq: u64, now: SystemTime, keep: Duration) -> bool {
        let last = Mark {
            seq: self.seq,
            acknowledged: self.acknowledged,
        };
        let mut marks = self.earlier.iter().chain([&last]);
        marks.any(|mark| mark.seq >= seq && is_past(mark.acknowledged, now, keep))
    }

    /// Reads a cursor as its file holds it.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(text).ok()?;
        let earlier = value.get("earlier").and_then(Value::as_array);
        let last = mark(&value)?;
        Some(Self {
            seq: last.seq,
            hash: value.get("hash")?.as_str()?.parse().ok()?,
            acknowledged: last.acknowledged,
            earlier: earlier.map_or(Some(Vec::new()), |it| it.iter().map(mark).collect())?,
            set_aside: value.get("set_aside").map_or(Some(0), count)?,
        })
    }

    /// Keeps it durably as the cursor of a sink.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the sink's name is not one that a file can have.
    pub fn write(&self, dir: &Path, sink: &str) -> io::Result<()> {
        let name = file_name(sink)?;
        let cursors = dir.join(CURSORS);
        make_directory(&cursors)?;
        sync_directory(dir)?;
        write_durably(&cursors, &name, self.text().as_bytes())
    }

    fn text(&self) -> String {
        let entry =
            |mark: &Mark| json!({"seq": mark.seq, "acknowledged": rfc3339(mark.acknowledged)});
        let earlier: Vec<Value> = self.earlier.iter().map(entry).collect();
        let mut value = json!({
            "seq": self.seq,
            "hash": self.hash.to_string(),
            "acknowledged": rfc3339(self.acknowledged),
            "earlier": earlier,
        });
        if let (true, Some(value)) = (self.set_aside > 0, value.as_object_mut()) {
            value.insert("set_aside".to_owned(), self.set_aside.into());
        }
        format!("{value}\n")
    }
}

impl Kept {
    /// The sink whose it is.
    #[must_use]
    pub fn sink(&self) -> Option<&str> {
        self.path.file_stem()?.to_str()
    }
}

/// Reads the cursor of a sink, where it has one.
///
/// # Errors
///
/// When it cannot be read or is none.
pub fn read(dir: &Path, sink: &str) -> io::Result<Option<Cursor>> {
    let path = dir.join(CURSORS).join(file_name(sink)?);
    let text = match file::read(&path, file::LARGEST_BYTES) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let odd = || {
        let said = format!("{} does not hold a sink's cursor", path.display());
        io::Error::new(io::ErrorKind::InvalidData, said)
    };
    Cursor::parse(&text).ok_or_else(odd).map(Some)
}

/// Lists the cursors of all sinks, by the names of their files.
///
/// # Errors
///
/// When the directory or a file in it cannot be read; that there is none is no error.
pub fn list(dir: &Path) -> io::Result<Vec<Kept>> {
    let cursors = dir.join(CURSORS);
    let entries = match fs::read_dir(&cursors) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut kept = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|kind| kind == "json") {
            let cursor = Cursor::parse(&file::read(&path, file::LARGEST_BYTES)?);
            kept.push(Kept { path, cursor });
        }
    }
    kept.sort_unstable_by(|one, other| one.path.cmp(&other.path));
    Ok(kept)
}

fn file_name(sink: &str) -> io::Result<String> {
    if sink.is_empty() || sink.starts_with('.') || sink.contains('/') {
        let said = format!("{sink:?} cannot be the name of a cursor's file");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, said));
    }
    Ok(format!("{sink}.json"))
}

fn count(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

fn mark(value: &Value) -> Option<Mark> {
    let acknowledged = value.get("acknowledged")?.as_str()?;
    Some(Mark {
        seq: value.get("seq")?.as_u64()?,
        acknowledged: humantime::parse_rfc3339(acknowledged).ok()?,
    })
}

/// Whether so much time has gone by; never for what comes from the future.
pub(in crate::audit) fn is_past(then: SystemTime, now: SystemTime, time: Duration) -> bool {
    now.duration_since(then).is_ok_and(|gone| gone >= time)
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_micros(time).to_string()
}

pub(in crate::audit) const CURSORS: &str = "cursors";

/// How many parts the time is divided into for which acknowledgements are remembered: retention waits
/// longer by one of them at most.
const REMEMBERED: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(count: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(500_000 + count)
    }

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let mut cursor = Cursor::at(1, LineHash::of(b"1"), hour(1));
        cursor.pass(2, LineHash::of(b"2"), hour(2), DAY);

        assert_eq!(list(dir.path()).unwrap(), []);
        cursor.write(dir.path(), "b").unwrap();
        Cursor::at(7, LineHash::NONE, hour(3))
            .write(dir.path(), "a")
            .unwrap();
        fs::write(dir.path().join("cursors/c.json"), "{}").unwrap();
        fs::write(dir.path().join("cursors/d.json.new"), "").unwrap();

        let kept = list(dir.path()).unwrap();
        let names: Vec<_> = kept.iter().map(|it| it.path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.json", "b.json", "c.json"]);
        assert_eq!(kept[0].cursor.as_ref().map(|it| it.seq), Some(7));
        assert_eq!(kept[1].cursor.as_ref(), Some(&cursor));
        assert_eq!(cursor.set_aside, 1);
        assert_eq!(kept[2].cursor, None);
        let text = fs::read_to_string(&kept[0].path).unwrap();
        let zeros = "0".repeat(64);
        let told = format!(
            r#"{{"acknowledged":"2027-01-15T11:00:00.000000Z","earlier":[],"hash":"{zeros}","seq":7}}"#
        );
        assert_eq!(text.trim_end(), told);
    }

    #[test]
    fn has_no_name_that_leads_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        for sink in ["", ".", "..", "../up", "a/b", ".hidden"] {
            let refused = Cursor::at(1, LineHash::NONE, hour(1)).write(dir.path(), sink);

            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn tells_what_was_acknowledged_a_day_ago_though_it_never_rests() {
        let mut cursor = Cursor::at(0, LineHash::NONE, hour(0));
        for count in 1..=200 {
            cursor.advance(count, LineHash::NONE, hour(count), DAY);
            assert!(cursor.earlier.len() <= 11, "{cursor:?}");
        }

        let told = |seq| cursor.had_acknowledged(seq, hour(200), DAY);
        let known = (0..=200).rfind(|seq| told(*seq)).unwrap();
        assert!((172..=176).contains(&known), "{known}");
        assert!((0..known).all(told));
        assert!(cursor.had_acknowledged(200, hour(224), DAY));
        assert!(!cursor.had_acknowledged(201, hour(999), DAY));
    }

    #[test]
    fn believes_no_acknowledgement_from_the_future() {
        let mut cursor = Cursor::at(9, LineHash::NONE, hour(9000));
        assert!(!cursor.had_acknowledged(9, hour(1), Duration::ZERO));

        cursor.advance(10, LineHash::NONE, hour(2), DAY);
        for count in 3..=60 {
            cursor.advance(count + 8, LineHash::NONE, hour(count), DAY);
        }

        assert!(cursor.had_acknowledged(40, hour(60), DAY));
        assert!(!cursor.had_acknowledged(50, hour(60), DAY));
    }
}
