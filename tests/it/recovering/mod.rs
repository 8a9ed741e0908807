//! Opening a journal that an earlier run has left: what is torn is cut off, what is damaged is refused,
//! and nothing whole is lost.

mod damage;
mod ends;
mod pruned;
mod torn;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use partner_gateway::audit::{
    recovery::{OpenError, Opened, open},
    verify::findings::Fault,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    harness::{World, journal},
    verifying::made::{Made, findings},
};

/// A journal that the gateway wrote, in one file.
struct Real {
    id: Vec<u8>,
    name: String,
    bytes: Vec<u8>,
}

impl Real {
    /// Three runs with calls: intents, outcomes and checkpoints.
    async fn of_three_runs() -> Self {
        let mut world = World::new().await;
        for _ in 0..2 {
            world.reject().send().await;
            let (sandbox, dir) = world.end().await;
            world = World::over(sandbox, dir, |_| {}).await;
        }
        world.reject().send().await;
        world.reject().send().await;
        let (_, dir) = world.end().await;
        let [segment] = &journal::segments(dir.path())[..] else {
            panic!("one segment")
        };
        Self {
            id: fs::read(dir.path().join("journal.id")).unwrap(),
            name: segment.file_name().unwrap().to_str().unwrap().to_owned(),
            bytes: fs::read(segment).unwrap(),
        }
    }

    /// Puts this much of it on the disk, with nothing that vouches for it.
    fn put(&self, dir: &Path, bytes: &[u8]) -> PathBuf {
        fs::write(dir.join("journal.id"), &self.id).unwrap();
        let segment = dir.join(&self.name);
        fs::write(&segment, bytes).unwrap();
        segment
    }

    fn lines(&self) -> Vec<&[u8]> {
        whole_lines(&self.bytes)
    }

    /// How many of its lines stand whole at the beginning of these bytes, and how long they are.
    fn left_in(&self, bytes: &[u8]) -> (usize, usize) {
        let both = self.lines().into_iter().zip(whole_lines(bytes));
        let same = both.take_while(|(one, other)| one == other);
        let lengths: Vec<usize> = same.map(|(line, _)| line.len()).collect();
        (lengths.len(), lengths.iter().sum())
    }
}

/// The lines that end with a newline, with it.
fn whole_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.filter(|line| line.ends_with(b"\n")).collect()
}

/// The calls of intents that have no outcome.
fn open_calls(lines: &[&[u8]]) -> BTreeSet<String> {
    let mut open = BTreeSet::new();
    for line in lines {
        let record: Value = serde_json::from_slice(line).unwrap();
        let call = record["call"].as_str().map(str::to_owned);
        match (record["kind"].as_str().unwrap(), call) {
            ("intent", Some(call)) => assert!(open.insert(call)),
            ("outcome", Some(call)) => drop(open.remove(&call)),
            _ => {}
        }
    }
    open
}

/// Why a journal is not opened: the first bad record, and what is wrong. It must be left as it was, and
/// `audit verify` must say the same.
fn refusal(dir: &Path) -> (u64, Fault) {
    let before = contents(dir);
    let error = match opened(dir) {
        Ok(Opened { head, .. }) => panic!("opened up to {}", head.seq()),
        Err(error) => error,
    };
    let told = error.to_string();
    let OpenError::Damaged { source, .. } = error else {
        panic!("{error}")
    };
    assert_eq!(contents(dir), before, "nothing is repaired");
    let seq = source.seq();
    let lead = format!("damaged at record {seq}, in ");
    assert!(told.contains(&lead), "{told}");
    let command = format!("`partner-gateway audit verify --dir {}`", dir.display());
    assert!(told.contains(&command), "{told}");
    let verified = findings(dir, None, &[]).damage.map(|damage| damage.fault);
    assert_eq!(verified.as_ref(), Some(&source), "verify says the same");
    (seq, source)
}

fn refused_at(made: &Made) -> u64 {
    refusal(made.written().path()).0
}

/// Opens a journal that nobody holds. The lock's file is made anew: a process that another test starts at
/// this moment shares each open file for an instant, and with it a lock that was let go.
fn opened(dir: &Path) -> Result<Opened, OpenError> {
    drop(fs::remove_file(dir.join("journal.lock")));
    open(dir)
}

/// Everything in a directory but the lock, whose file is made by each attempt.
fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(contents(&path));
        } else if !path.ends_with("journal.lock") {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

/// A directory whose syncs cost nothing, for journals that are opened again and again.
fn directory() -> TempDir {
    let in_memory = tempfile::tempdir_in("/dev/shm");
    in_memory.or_else(|_| tempfile::tempdir()).unwrap()
}
