//! What sinks refused for good: one ledger a sink, beside the journal.
//!
//! Each record stands in it with its own line, so that nothing is lost when retention removes it from the journal. Only
//! what a sink has taken after all is removed from there.
//!
//! The gateway that enters records and the command that removes some may do so at once: who changes the file has its
//! lock. It is that of the file itself, so whoever waited for it looks whether another file is in its place by then.

pub mod entry;

use std::{
    collections::{BTreeSet, HashSet},
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde_json::json;

use crate::{
    audit::{
        durable::{PRIVATE, make_directory, remove, sync_directory, write_new},
        refused::entry::{Entries, Entry},
    },
    ids::{JournalId, RecordId},
};

/// A record that a sink refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Its number.
    pub seq: u64,
    /// Its own name.
    pub id: RecordId,
    /// Its line, without the newline.
    pub line: String,
    /// What the sink said.
    pub reason: String,
}

/// The ledger of a sink.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    journal: JournalId,
    /// The highest record of the journal in it; nothing as long as that is not known.
    highest: Option<u64>,
}

impl Ledger {
    /// The ledger of a sink of the journal in `dir`; its file is made with its first entry.
    #[must_use]
    pub fn of(dir: &Path, journal: JournalId, sink: &str) -> Self {
        Self {
            path: dir.join(REFUSED).join(format!("{sink}.jsonl")),
            journal,
            highest: None,
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Enters a record durably, unless it stands there. Blocks while the disk does, or somebody else changes it.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written; the record may stand in it then.
    pub fn enter(&mut self, refusal: &Refusal, at: SystemTime) -> io::Result<()> {
        make_directory(self.dir())?;
        let mut file = self.held(OpenOptions::new().create(true))?;
        // Unknown until all of it is done.
        let highest = self.highest.take();
        let is_new = highest.is_some_and(|highest| refusal.seq > highest);
        let (highest, is_there) = match highest.filter(|_| is_new) {
            Some(highest) => (highest, false),
            // A crash may have come between the entry and what follows from it, and a sink that has lost
            // records is sent them again.
            None => self.look(&file, refusal.seq)?,
        };
        if !is_there {
            file.write_all(refusal.entry(self.journal, at).as_bytes())?;
        }
        file.sync_all()?;
        sync_directory(self.dir())?;
        self.highest = Some(highest.max(refusal.seq));
        Ok(())
    }

    /// The numbers of the journal's records in it. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// When it cannot be read; that there is none is no error.
    pub fn entered(&self) -> io::Result<BTreeSet<u64>> {
        let journal = self.journal.to_string();
        let mut entered = BTreeSet::new();
        self.read(|entry| {
            let own = entry.filter(|entry| entry.journal == journal);
            entered.extend(own.map(|entry| entry.seq));
        })?;
        Ok(entered)
    }

    /// Every record in it, those of earlier journals, too. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// When it cannot be read; that there is none is no error.
    pub fn entries(&self) -> io::Result<Entries> {
        let mut entries = Entries::default();
        self.read(|entry| match entry.and_then(Entry::entered) {
            Some(entered) => entries.records.push(entered),
            None => entries.unreadable = entries.unreadable.saturating_add(1),
        })?;
        Ok(entries)
    }

    /// Removes records that the sink has taken by now: durably, and all of them or none. Blocks while the disk does,
    /// or somebody else changes it.
    ///
    /// # Errors
    ///
    /// When it cannot be read or written; what was in it still is, or they are gone.
    pub fn remove(&self, taken: &HashSet<(JournalId, u64)>) -> io::Result<()> {
        if taken.is_empty() {
            return Ok(());
        }
        let mut file = match self.held(&mut OpenOptions::new()) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let is_left = |line: &&[u8]| {
            let entry: Option<Entry> = serde_json::from_slice(line).ok();
            let named = entry.and_then(|it| Some((it.journal.parse().ok()?, it.seq)));
            // What a crash has torn was never durable, so what it tells of comes again.
            line.ends_with(b"\n") && named.is_none_or(|named| !taken.contains(&named))
        };
        let left: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
        let left: Vec<&[u8]> = left.into_iter().filter(is_left).collect();
        self.replace(&file, &left.concat())
    }

    /// Puts a new file in place of the one whose lock is held, which is let go of only then.
    fn replace(&self, held: &File, bytes: &[u8]) -> io::Result<()> {
        let new = self.path.with_extension("jsonl.new");
        remove(&new)?;
        write_new(&new, bytes)?;
        // Whoever runs the command, the gateway must be able to go on writing.
        let (was, is) = (held.metadata()?, fs::metadata(&new)?);
        if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
            chown(&new, Some(was.uid()), Some(was.gid()))?;
        }
        fs::rename(&new, &self.path)?;
        sync_directory(self.dir())
    }

    /// Opens the file and has it alone, until what is returned is dropped.
    fn held(&self, how: &mut OpenOptions) -> io::Result<File> {
        how.read(true).append(true).mode(PRIVATE);
        loop {
            let file = how.open(&self.path)?;
            file.lock()?;
            let held = file.metadata()?;
            let there = fs::metadata(&self.path);
            if there.is_ok_and(|it| (it.dev(), it.ino()) == (held.dev(), held.ino())) {
                return Ok(file);
            }
        }
    }

    /// Reads it line by line; nothing stands for a line that is no entry. What a crash has torn was never durable, so
    /// what it tells of comes again.
    fn read(&self, mut take: impl FnMut(Option<Entry>)) -> io::Result<()> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            lines
                .by_ref()
                .take(LONGEST_ENTRY)
                .read_until(b'\n', &mut line)?;
            let is_whole = line.ends_with(b"\n");
            if !is_whole && u64::try_from(line.len()).is_ok_and(|length| length < LONGEST_ENTRY) {
                return Ok(());
            }
            take(serde_json::from_slice(&line).ok());
            if !is_whole {
                lines.skip_until(b'\n')?;
            }
        }
    }

    fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Finds the highest record, and whether one is there. An entry without its line end was never durable,
    /// so what it tells of comes again; it is cut off.
    fn look(&self, file: &File, seq: u64) -> io::Result<(u64, bool)> {
        let journal = self.journal.to_string();
        let (mut highest, mut is_there, mut whole) = (0, false, 0_u64);
        let mut lines = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = lines.read_until(b'\n', &mut line)?;
            if length > 0 && !line.ends_with(b"\n") {
                file.set_len(whole)?;
            }
            if !line.ends_with(b"\n") {
                return Ok((highest, is_there));
            }
            whole = whole.saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            let entry: Option<Entry> = serde_json::from_slice(&line).ok();
            if let Some(entry) = entry.filter(|entry| entry.journal == journal) {
                highest = highest.max(entry.seq);
                is_there |= entry.seq == seq;
            }
        }
    }
}

impl Refusal {
    fn entry(&self, journal: JournalId, at: SystemTime) -> String {
        let reason: String = self.reason.chars().take(LONGEST_REASON).collect();
        let entry = json!({
            "journal": journal.to_string(),
            "seq": self.seq,
            "id": self.id.to_string(),
            "time": humantime::format_rfc3339_micros(at).to_string(),
            "reason": reason,
            "line": self.line,
        });
        format!("{entry}\n")
    }
}

/// The directory of ledgers, in the journal's.
pub(in crate::audit) const REFUSED: &str = "refused";

/// In bytes: more than a record, in which each byte is escaped, and a reason take.
const LONGEST_ENTRY: u64 = 128 << 10;

/// In characters: a few lines of what a server says.
const LONGEST_REASON: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(journal: JournalId, seq: u64) -> Refusal {
        let id = RecordId::next();
        let prev = "0".repeat(64);
        Refusal {
            seq,
            id,
            line: format!(
                r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"{id}","prev":"{prev}"}}"#
            ),
            reason: "a\n\"b\"".to_owned() + &"x".repeat(2000),
        }
    }

    #[test]
    fn enters_each_record_once_and_cuts_off_what_a_crash_has_torn() {
        let dir = tempfile::tempdir().unwrap();
        let at = SystemTime::UNIX_EPOCH;
        let (journal, other) = (JournalId::random(), JournalId::random());
        let ledger = |journal| Ledger::of(dir.path(), journal, "a");
        let path = dir.path().join("refused/a.jsonl");
        let entries = || -> Vec<serde_json::Value> {
            let text = fs::read_to_string(&path).unwrap();
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        };
        let mut running = ledger(journal);
        for seq in [7, 9, 7, 8, 9] {
            running.enter(&refusal(journal, seq), at).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap();

        fs::write(&path, format!("{before}{{\"journal\":\"")).unwrap();
        ledger(journal).enter(&refusal(journal, 9), at).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        let last = refusal(other, 9);
        ledger(other).enter(&last, at).unwrap();

        assert_eq!(before, after);
        let seqs: Vec<_> = entries().iter().map(|it| it["seq"].clone()).collect();
        assert_eq!(seqs, [7, 9, 8, 9]);
        let entry = &entries()[3];
        assert_eq!(entry["journal"], other.to_string());
        assert_eq!(entry["id"], last.id.to_string());
        assert_eq!(entry["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!(entry["line"], last.line);
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.starts_with("a\n\"b\"x"));
        assert_eq!(reason.chars().count(), LONGEST_REASON);
    }

    #[test]
    fn removes_what_was_taken_and_nothing_else_however_often_it_is_entered_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let at = SystemTime::UNIX_EPOCH;
        let (journal, other) = (JournalId::random(), JournalId::random());
        let ledger = |journal| Ledger::of(dir.path(), journal, "a");
        let mut running = ledger(journal);
        for seq in [1, 2, 3] {
            running.enter(&refusal(journal, seq), at).unwrap();
        }
        ledger(other).enter(&refusal(other, 2), at).unwrap();
        let taken: HashSet<_> = [(journal, 1), (journal, 2)].into();

        let entering = std::thread::spawn(move || {
            for seq in 4..200 {
                running.enter(&refusal(journal, seq), at).unwrap();
            }
        });
        for _ in 0..50 {
            ledger(journal).remove(&taken).unwrap();
        }
        entering.join().unwrap();

        let left = ledger(journal).entries().unwrap().records;
        let of = |wanted: JournalId| -> Vec<u64> {
            let own = left.iter().filter(|it| it.journal == wanted);
            own.map(|it| it.seq).collect()
        };
        assert_eq!(of(journal), (3..200).collect::<Vec<_>>());
        assert_eq!(of(other), [2]);
        let names = fs::read_dir(dir.path().join("refused")).unwrap();
        assert_eq!(names.count(), 1, "nothing is left beside it");
    }

    #[test]
    fn has_the_line_of_a_record_only_where_it_is_that_records() {
        let dir = tempfile::tempdir().unwrap();
        let journal = JournalId::random();
        let mut ledger = Ledger::of(dir.path(), journal, "a");
        let (own, mut another, mut none) = (
            refusal(journal, 1),
            refusal(journal, 2),
            refusal(journal, 3),
        );
        another.line = own.line.clone();
        none.line = String::new();
        for refusal in [&own, &another, &none] {
            ledger.enter(refusal, SystemTime::UNIX_EPOCH).unwrap();
        }

        let lines = ledger.entries().unwrap().records.into_iter();

        let lines: Vec<_> = lines.map(|it| (it.seq, it.line)).collect();
        assert_eq!(lines, [(1, Some(own.line)), (2, None), (3, None)]);
    }

    #[test]
    fn counts_what_tells_of_no_record_and_what_is_too_long_to_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let journal = JournalId::random();
        let mut ledger = Ledger::of(dir.path(), journal, "a");
        ledger
            .enter(&refusal(journal, 1), SystemTime::UNIX_EPOCH)
            .unwrap();
        let mut file = OpenOptions::new().append(true).open(ledger.path()).unwrap();
        let long = "x".repeat(usize::try_from(LONGEST_ENTRY).unwrap() * 3);
        write!(file, "{{}}\n{long}\n").unwrap();
        ledger
            .enter(&refusal(journal, 2), SystemTime::UNIX_EPOCH)
            .unwrap();
        file.write_all(b"torn").unwrap();

        let entries = ledger.entries().unwrap();

        let seqs: Vec<_> = entries.records.iter().map(|it| it.seq).collect();
        assert_eq!((seqs, entries.unreadable), (vec![1, 2], 2));
    }
}
