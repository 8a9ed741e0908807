//! Segments: when one is closed, with what, and how the next one goes on.

use std::{
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use partner_gateway::{
    audit::{
        Durability,
        journal::Journal,
        record::Draft,
        search::{filters::Filters, follow::Follow},
        verify::Unreadable,
    },
    clock::{Clock, SharedClock},
};
use serde_json::Value;

use crate::{
    audit::{
        checkpoints::{Public, verified},
        start::{settings, start_by, start_with},
    },
    harness::{World, journal, process::within, tempdir},
};

#[tokio::test(start_paused = true)]
async fn closes_a_segment_that_is_large_enough_with_a_checkpoint() {
    let world = World::with(|config| config.audit.segment.bytes = LARGE).await;
    for _ in 0..5 {
        world.reject().send().await;
    }
    let (sandbox, dir) = world.end().await;
    let world = World::over(sandbox, dir, |config| config.audit.segment.bytes = LARGE).await;
    world.reject().send().await;
    let (_, dir) = world.end().await;

    let segments = journal::segments(dir.path());
    let (_, closed) = segments.split_last().unwrap();
    assert!(closed.len() > 2, "{closed:?}");
    for path in closed {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(kind(lines.last().unwrap()), "checkpoint");
        let size = u64::try_from(text.len()).unwrap();
        assert!((LARGE..LARGE + 2 * 8192).contains(&size), "{size}");
        let first: Value = serde_json::from_str(lines[0]).unwrap();
        let name = format!("journal-{:020}.jsonl", first["seq"].as_u64().unwrap());
        assert_eq!(path.file_name().unwrap(), &*name);
    }
    let key = Public::of(&dir.path().join("signing.key"));
    let signed = verified(dir.path(), &[&key]);
    assert!(signed.len() >= closed.len() + 2, "{signed:?}");
    let read = journal::Journal::of(dir.path());
    read.read_on();
    assert_eq!(read.outcomes(), 6);
}

#[tokio::test]
async fn closes_a_segment_that_is_old_enough_whatever_the_durability() {
    let relaxed = Durability::Relaxed {
        flush_interval: Duration::from_secs(1),
    };
    for durability in [Durability::Strict, relaxed] {
        let dir = tempdir();
        let hands = Arc::new(Hands::default());
        let clock = || -> SharedClock { Arc::<Hands>::clone(&hands) };
        let mut settings = settings(dir.path());
        settings.durability = durability;
        settings.segment.age = Duration::from_mins(10);
        let journal = start_by(&settings, clock()).await.unwrap();

        hands.turn(599);
        note(&journal).await;
        hands.turn(1);
        note(&journal).await;
        note(&journal).await;
        hands.turn(599);
        note(&journal).await;
        journal.stop().await.unwrap();

        let first = ["started", "started", "started", "checkpoint"];
        let second = ["started", "started", "stopped", "checkpoint"];
        assert_eq!(kinds(dir.path()), [first, second]);
    }
}

#[tokio::test]
async fn counts_the_age_of_a_segment_over_restarts() {
    let dir = tempdir();
    let hands = Arc::new(Hands::default());
    let clock = || -> SharedClock { Arc::<Hands>::clone(&hands) };
    let mut settings = settings(dir.path());
    settings.segment.age = Duration::from_mins(10);

    for _ in 0..3 {
        let journal = start_by(&settings, clock()).await.unwrap();
        journal.stop().await.unwrap();
        hands.turn(300);
    }

    let run = ["started", "stopped", "checkpoint"];
    let old = [&run[..], &run[..], &["started", "checkpoint"]].concat();
    assert_eq!(kinds(dir.path()), [old, vec!["stopped", "checkpoint"]]);
}

#[tokio::test]
async fn leaves_no_empty_segments_behind() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.segment.bytes = 1;
    let journal = start_with(&settings).await.unwrap();

    for _ in 0..5 {
        journal.settle().await.unwrap();
    }
    note(&journal).await;
    journal.stop().await.unwrap();

    let closed = |kind| vec![kind, "checkpoint"];
    let told = [
        closed("started"),
        closed("started"),
        closed("stopped"),
        vec!["checkpoint"],
    ];
    assert_eq!(kinds(dir.path()), told);
}

#[tokio::test]
async fn is_followed_over_segments_and_runs() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.segment.bytes = 1;
    let (mut follow, due) = Follow::from_end(dir.path()).unwrap();
    let mut told = Vec::new();

    for _ in 0..3 {
        let journal = start_with(&settings).await.unwrap();
        for _ in 0..3 {
            note(&journal).await;
            told.extend(followed(&mut follow));
        }
        journal.stop().await.unwrap();
    }
    told.extend(followed(&mut follow));

    let segments = journal::segments(dir.path());
    assert!(segments.len() > 12, "{segments:?}");
    let text = segments
        .iter()
        .map(|path| fs::read_to_string(path).unwrap());
    assert_eq!((due, told.concat()), (1, text.collect::<String>()));
}

#[tokio::test]
async fn knows_what_is_on_the_disk_once_the_flush_interval_is_over() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    let flush_interval = Duration::from_millis(1);
    settings.durability = Durability::Relaxed { flush_interval };
    let journal = start_with(&settings).await.unwrap();

    note(&journal).await;

    within(async || journal.durable() == 2).await;
}

/// The lines that have come.
fn followed(follow: &mut Follow) -> Vec<String> {
    let mut lines = Vec::new();
    let told = follow.tell(&Filters::default(), &mut |line| {
        lines.push(String::from_utf8(line.to_vec()).unwrap() + "\n");
        Ok::<_, Unreadable>(())
    });
    told.unwrap();
    lines
}

/// Any record.
async fn note(journal: &Journal) {
    let draft = Draft::started(journal.boot(), "0000000000000000", None);
    journal.append(draft).await.unwrap();
}

/// The kinds of the records in each segment.
fn kinds(dir: &Path) -> Vec<Vec<String>> {
    let of_segment = |path| {
        let text: String = fs::read_to_string(path).unwrap();
        text.lines().map(kind).collect()
    };
    journal::segments(dir).into_iter().map(of_segment).collect()
}

fn kind(line: &str) -> String {
    let record: Value = serde_json::from_str(line).unwrap();
    record["kind"].as_str().unwrap().to_owned()
}

/// A wall clock that only the test turns.
#[derive(Debug)]
pub(super) struct Hands(Mutex<SystemTime>);

impl Default for Hands {
    fn default() -> Self {
        // In 2026: a journal tells no time before.
        Self(Mutex::new(
            SystemTime::UNIX_EPOCH + Duration::from_hours(495_012),
        ))
    }
}

impl Hands {
    pub(super) fn turn(&self, seconds: u64) {
        *self.0.lock().unwrap() += Duration::from_secs(seconds);
    }

    pub(super) fn turn_back(&self, seconds: u64) {
        *self.0.lock().unwrap() -= Duration::from_secs(seconds);
    }
}

impl Clock for Hands {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// In bytes: a few records.
const LARGE: u64 = 4096;
