//! What sinks refused for good: one ledger a sink, beside the journal, of which nothing is ever removed.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use serde::Deserialize;
use serde_json::json;

use crate::{
    audit::durable::{PRIVATE, make_directory, sync_directory},
    ids::{JournalId, RecordId},
};

/// A record that a sink refused.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Its number.
    pub seq: u64,
    /// Its own name.
    pub id: RecordId,
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

/// What of an entry tells whether a record stands in the ledger.
#[derive(Deserialize)]
struct Entry {
    journal: String,
    seq: u64,
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

    /// Enters a record durably, unless it stands there. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read or written; the record may stand in it then.
    pub fn enter(&mut self, refusal: &Refusal, at: SystemTime) -> io::Result<()> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        make_directory(dir)?;
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(PRIVATE)
            .open(&self.path)?;
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
        sync_directory(dir)?;
        self.highest = Some(highest.max(refusal.seq));
        Ok(())
    }

    /// The records of the journal in it. Blocks while the disk does.
    ///
    /// # Errors
    ///
    /// When it cannot be read; that there is none is no error.
    pub fn entered(&self) -> io::Result<BTreeSet<u64>> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(error),
        };
        let journal = self.journal.to_string();
        let mut entered = BTreeSet::new();
        for line in BufReader::new(file).split(b'\n') {
            let entry: Option<Entry> = serde_json::from_slice(&line?).ok();
            entered.extend(
                entry
                    .filter(|entry| entry.journal == journal)
                    .map(|it| it.seq),
            );
        }
        Ok(entered)
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
        });
        format!("{entry}\n")
    }
}

/// The directory of ledgers, in the journal's.
const REFUSED: &str = "refused";

/// In characters: a few lines of what a server says.
const LONGEST_REASON: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn refusal(seq: u64) -> Refusal {
        Refusal {
            seq,
            id: RecordId::next(),
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
            running.enter(&refusal(seq), at).unwrap();
        }
        let before = fs::read_to_string(&path).unwrap();

        fs::write(&path, format!("{before}{{\"journal\":\"")).unwrap();
        ledger(journal).enter(&refusal(9), at).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        let last = refusal(9);
        ledger(other).enter(&last, at).unwrap();

        assert_eq!(before, after);
        let seqs: Vec<_> = entries().iter().map(|it| it["seq"].clone()).collect();
        assert_eq!(seqs, [7, 9, 8, 9]);
        let entry = &entries()[3];
        assert_eq!(entry["journal"], other.to_string());
        assert_eq!(entry["id"], last.id.to_string());
        assert_eq!(entry["time"], "1970-01-01T00:00:00.000000Z");
        let reason = entry["reason"].as_str().unwrap();
        assert!(reason.starts_with("a\n\"b\"x"));
        assert_eq!(reason.chars().count(), LONGEST_REASON);
    }
}
