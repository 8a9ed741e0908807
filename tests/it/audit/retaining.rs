//! Retention: what goes, when, and what is told of it; and that all else still holds of what is left.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use partner_gateway::{
    audit::{
        Settings,
        chain::LineHash,
        cursor::Cursor,
        evidence::{
            examine::examine,
            gather::{Document, Gathered, gather},
        },
        journal::Journal,
        record::Draft,
        signing::{SigningKey, place},
        start_error::StartError,
        trail::Trail,
        verify::{Evidence, findings::Findings, kept::Kept, verify},
    },
    clock::{Clock as _, SharedClock},
    ids::{CorrelationId, TraceId, TransferId},
};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    audit::{
        segments::Hands,
        start::{outcome, settings, start_by},
    },
    harness::{
        journal::{segments, sha256},
        tempdir,
    },
    searching::find,
};

#[tokio::test]
async fn removes_segments_that_are_old_enough_and_tells_which() {
    let site = Site::new();
    let call = site.run().await;
    let old = site.closed();
    site.hands.turn(DAY - HOUR);
    site.run().await;
    site.run().await;
    let told_before = site.pruned();
    site.hands.turn(HOUR);
    let late = site.run().await;

    site.run().await;

    assert_eq!(told_before, Vec::<Value>::new());
    let left = segments(site.dir());
    assert!(old.iter().all(|(path, _)| !left.contains(path)), "{left:?}");
    let lines: Vec<&str> = old.iter().flat_map(|(_, text)| text.lines()).collect();
    let checkpoint = lines.iter().rfind(|line| line.contains(CHECKPOINT));
    let [told] = &site.pruned()[..] else {
        panic!("one record tells")
    };
    assert_eq!(told["upto"], lines.len());
    assert_eq!(told["head"], *sha256(lines.last().unwrap()));
    assert_eq!(told["checkpoint"], *sha256(checkpoint.unwrap()));
    let found = site.verified();
    assert_eq!((&found.damage, found.unchecked), (&None, 0));
    assert_eq!(found.first.unwrap().seq, first(&left[0]));
    assert_eq!(first(&left[0]), u64::try_from(lines.len()).unwrap() + 1);
    assert!(matches!(site.gathered(call), Gathered::Nothing { .. }));
    let Gathered::Document(Document { text, .. }) = site.gathered(late) else {
        panic!("no evidence")
    };
    let examined = examine(text.as_bytes(), &[site.key().public()]).unwrap();
    assert_eq!(examined.records.len(), 2);
    let seqs = |transfer| find(site.dir(), &format!("transfer={transfer}")).seqs;
    assert_eq!((seqs(call).len(), seqs(late).len()), (0, 2));
}

#[tokio::test]
async fn removes_again_what_a_crash_left_after_it_was_told() {
    let site = Site::new();
    site.run().await;
    let old = site.closed();
    site.hands.turn(2 * DAY);
    site.run().await;
    let journal = site.start().await.unwrap();
    journal.settle().await.unwrap();
    drop(journal);
    assert!(old.iter().all(|(path, _)| !path.exists()));

    // From the oldest to none: as many are left as the process did not come to.
    for gone in 0..=old.len() {
        for (path, text) in &old[gone..] {
            fs::write(path, text).unwrap();
        }
        let found = site.verified();
        site.run().await;

        assert_eq!(found.damage, None, "{gone}");
        assert!(old.iter().all(|(path, _)| !path.exists()), "{gone}");
        assert_eq!(site.verified().damage, None, "{gone}");
    }
}

#[tokio::test]
async fn removes_nothing_because_a_clock_is_a_year_ahead_for_a_moment() {
    let site = Site::new();
    site.run().await;
    let old = site.closed();
    let journal = site.start().await.unwrap();

    site.hands.turn(365 * DAY);
    site.call(&journal).await;
    site.hands.turn_back(365 * DAY);
    site.call(&journal).await;
    journal.stop().await.unwrap();
    drop(journal);
    site.hands.turn(365 * DAY);
    let ahead = site.start().await.unwrap();
    site.call(&ahead).await;
    site.hands.turn_back(365 * DAY);
    ahead.stop().await.unwrap();
    drop(ahead);
    site.run().await;

    assert!(old.iter().all(|(path, _)| path.exists()));
    assert_eq!(site.pruned(), Vec::<Value>::new());
}

#[tokio::test]
async fn keeps_what_a_required_sink_has_not_acknowledged() {
    for (required, gone) in [
        (vec!["nats"], 2),
        (vec!["nats", "silent"], 0),
        (vec!["silent"], 0),
        (vec![], 3),
    ] {
        let mut site = Site::new();
        let required = required.into_iter().map(str::to_owned);
        site.settings.required_sinks = required.collect();
        site.run().await;
        let old = site.closed();
        let (path, text) = &old[1];
        let last = text.lines().last().unwrap();
        let seq = first(path) + u64::try_from(text.lines().count()).unwrap() - 1;
        let cursor = Cursor::at(seq, LineHash::of(last.as_bytes()), site.hands.now());
        cursor.write(site.dir(), "nats").unwrap();
        site.hands.turn(2 * DAY);
        site.run().await;

        site.run().await;

        let is_there = old[..3].iter().map(|(path, _)| path.exists());
        let gone: Vec<_> = (0..3).map(|index| index >= gone).collect();
        assert_eq!(is_there.collect::<Vec<_>>(), gone);
        let told: Vec<_> = site.pruned().iter().map(|it| it["upto"].clone()).collect();
        assert_eq!(told.contains(&seq.into()), gone == [false, false, true]);
        assert_eq!(site.verified().damage, None);
    }
}

#[tokio::test]
async fn makes_room_in_a_journal_that_is_full() {
    let mut site = Site::new();
    site.settings.segment.bytes = 64 << 10;
    site.settings.max_bytes = 512 << 10;
    let journal = site.start().await.unwrap();
    for _ in 0..80 {
        site.call(&journal).await;
    }
    site.hands.turn(2 * DAY);
    while site.attempt(&journal).await {}
    let refused_when_full = !journal.is_writable().await;
    drop(journal);

    let journal = site.start().await.unwrap();
    site.call(&journal).await;
    journal.stop().await.unwrap();

    assert!(refused_when_full);
    assert_eq!(site.pruned().len(), 1);
    assert_eq!(site.verified().damage, None);
    let sizes = segments(site.dir()).into_iter();
    let bytes: u64 = sizes.map(|it| fs::metadata(it).unwrap().len()).sum();
    assert!(bytes <= site.settings.max_bytes, "{bytes}");
}

/// A journal that keeps its segments for a day, each of which has one batch.
struct Site {
    dir: TempDir,
    hands: Arc<Hands>,
    settings: Settings,
}

impl Site {
    fn new() -> Self {
        let dir = tempdir();
        let mut settings = settings(dir.path());
        settings.segment.bytes = 1;
        Self {
            dir,
            hands: Arc::default(),
            settings,
        }
    }

    fn dir(&self) -> &Path {
        self.dir.path()
    }

    async fn start(&self) -> Result<Journal, StartError> {
        let hands: SharedClock = Arc::<Hands>::clone(&self.hands);
        start_by(&self.settings, hands).await
    }

    /// A run with one call, whose transfer is returned.
    async fn run(&self) -> TransferId {
        let journal = self.start().await.unwrap();
        let transfer = self.call(&journal).await;
        journal.stop().await.unwrap();
        transfer
    }

    async fn call(&self, journal: &Journal) -> TransferId {
        let trail = trail();
        let intent = Draft::intent(trail.facts(), journal.boot(), &[]);
        journal.promise(intent).await.unwrap();
        journal.append(outcome(&trail, journal)).await.unwrap();
        *trail.facts().transfer.get().unwrap()
    }

    /// Makes a call if there is room for it.
    async fn attempt(&self, journal: &Journal) -> bool {
        let trail = trail();
        let intent = Draft::intent(trail.facts(), journal.boot(), &[]);
        let is_promised = journal.promise(intent).await.is_ok();
        if is_promised {
            journal.append(outcome(&trail, journal)).await.unwrap();
        }
        is_promised
    }

    /// All segments but the last, and what stands in them.
    fn closed(&self) -> Vec<(PathBuf, String)> {
        let mut all = segments(self.dir());
        all.pop();
        let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).unwrap());
        all.into_iter().map(read).collect()
    }

    /// The records that tell of what was removed.
    fn pruned(&self) -> Vec<Value> {
        let texts = segments(self.dir()).into_iter();
        let text: String = texts.map(|it| fs::read_to_string(it).unwrap()).collect();
        let records = text.lines().map(|line| serde_json::from_str(line).unwrap());
        records
            .filter(|record: &Value| record["kind"] == "pruned")
            .collect()
    }

    fn key(&self) -> SigningKey {
        SigningKey::read(&place(self.dir(), None)).unwrap()
    }

    fn verified(&self) -> Findings {
        let evidence = Evidence {
            keys: &[self.key().public()],
            kept: &Kept::default(),
        };
        verify(self.dir(), evidence, &mut |_| {}).unwrap()
    }

    fn gathered(&self, transfer: TransferId) -> Gathered {
        let now = SystemTime::UNIX_EPOCH;
        gather(self.dir(), transfer, (&self.key(), &[]), now, &mut |_| {}).unwrap()
    }
}

/// A call about a transfer of its own.
fn trail() -> Trail {
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    let trail = Trail::begin(peer, CorrelationId::random(), TraceId::random());
    let transfer = CorrelationId::random().to_string().parse().unwrap();
    trail.facts().transfer.set(transfer).unwrap();
    trail.intending();
    trail
}

/// The record that a segment is named after.
fn first(segment: &Path) -> u64 {
    let name = segment.file_stem().unwrap().to_str().unwrap();
    name.strip_prefix("journal-").unwrap().parse().unwrap()
}

/// In seconds.
const HOUR: u64 = 3600;

/// In seconds.
const DAY: u64 = 24 * HOUR;

const CHECKPOINT: &str = r#""kind":"checkpoint""#;
