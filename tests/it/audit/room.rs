//! Room: a journal that may not grow, and a segment that somebody takes away.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use partner_gateway::{
    audit::{record::Draft, trail::Trail, unwritable::Broken},
    ids::{CorrelationId, TraceId},
};

use crate::{
    audit::{
        kinds_of,
        start::{outcome, settings, start, start_with},
    },
    harness::{journal, tempdir},
};

#[tokio::test]
async fn meets_the_bound_before_a_call_is_let_in_and_never_after() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.segment.bytes = MOST / 4;
    settings.max_bytes = MOST;
    let journal = start_with(&settings).await.unwrap();

    let mut open = Vec::new();
    let refused = loop {
        let trail = trail();
        trail.intending();
        let intent = Draft::intent(trail.facts(), journal.boot(), &[]);
        match journal.promise(intent).await {
            Ok(()) => open.push(trail),
            Err(Broken::Never(why)) => break why,
            Err(Broken::Perhaps(why)) => panic!("{why}"),
        }
    };
    let ready_when_full = journal.is_writable().await;
    // What is no outcome takes the rest, and nothing of what was set aside.
    while journal.append(Draft::stopped(journal.boot())).await.is_ok() {}
    for trail in &open {
        journal.append(outcome(trail, &journal)).await.unwrap();
    }

    assert!(open.len() > 10, "{}", open.len());
    let source = std::error::Error::source(&refused).unwrap().to_string();
    assert!(source.contains("audit.max_bytes"), "{source}");
    assert!(!ready_when_full);
    assert!(journal.is_writable().await);
    let kinds = kinds_of(&read(dir.path()));
    let count = |kind: &str| kinds.iter().filter(|it| *it == kind).count();
    assert_eq!(count("intent"), open.len());
    assert_eq!(count("outcome"), open.len());
    assert!(bytes(dir.path()) <= MOST);
}

#[tokio::test]
async fn counts_what_earlier_runs_left_against_the_bound() {
    let dir = tempdir();
    let mut settings = settings(dir.path());
    settings.max_bytes = MOST;
    settings.segment.bytes = MOST / 4;
    let journal = start_with(&settings).await.unwrap();
    while journal.append(Draft::stopped(journal.boot())).await.is_ok() {}
    drop(journal);

    let again = start_with(&settings).await.unwrap();
    let ready_when_full = again.is_writable().await;
    let refused = again.append(Draft::stopped(again.boot())).await;
    drop(again);
    settings.max_bytes = MOST * 2;
    let larger = start_with(&settings).await.unwrap();

    assert!(!ready_when_full && refused.is_err());
    assert!(larger.is_writable().await);
    let kinds = kinds_of(&read(dir.path()));
    assert_eq!(kinds.iter().filter(|it| *it == "started").count(), 2);
}

#[tokio::test]
async fn notices_a_segment_that_is_removed_renamed_or_replaced() {
    let ways: [fn(&Path); 3] = [
        |path| fs::remove_file(path).unwrap(),
        |path| fs::rename(path, path.with_extension("old")).unwrap(),
        |path| {
            let copy = path.with_extension("copy");
            fs::copy(path, &copy).unwrap();
            fs::rename(copy, path).unwrap();
        },
    ];
    for way in ways {
        let dir = tempdir();
        let journal = start(dir.path()).await.unwrap();
        let segment = last(dir.path());
        let mark = Draft::stopped(journal.boot());

        way(&segment);
        let noticed = journal.append(mark.clone()).await;
        let went_on = journal.append(mark).await;

        assert!(noticed.is_err());
        assert!(went_on.is_ok());
        let next = last(dir.path());
        assert!(next.ends_with("journal-00000000000000000002.jsonl"));
        let line = fs::read_to_string(next).unwrap();
        assert!(line.contains(r#""seq":2,"#), "{line}");
    }
}

fn trail() -> Trail {
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    Trail::begin(peer, CorrelationId::random(), TraceId::random())
}

fn read(dir: &Path) -> journal::Journal {
    let read = journal::Journal::of(dir);
    read.read_on();
    read
}

fn last(dir: &Path) -> PathBuf {
    journal::segments(dir).pop().unwrap()
}

fn bytes(dir: &Path) -> u64 {
    let sizes = journal::segments(dir);
    let sizes = sizes.iter().map(|path| fs::metadata(path).unwrap().len());
    sizes.sum()
}

/// In bytes: some twenty calls.
const MOST: u64 = 256 << 10;
