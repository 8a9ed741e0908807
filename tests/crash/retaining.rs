//! Old segments that the disk does not let go, and that go only once it is durably told.

use std::{
    fs,
    num::NonZeroU32,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use partner_gateway::{
    audit::{Durability, Settings, journal::Journal, recovery, segment::Bounds},
    clock::{Clock, SystemClock},
};
use serde_json::Value;

use crate::{journal::segments, process::within, shim::Event, site::Site};

#[tokio::test]
async fn tells_once_of_segments_that_cannot_be_removed_and_removes_them_later() {
    let site = Site::with(", retention: 1d, checkpoint_interval: 1s").await;
    let old = aged(&site).await;
    site.shim.fail("unlink journal-*.jsonl * errno=30");

    let gateway = site.start().await;
    let tries = || {
        let is_try = |event: &&Event| event.is_done && event.call == "unlink";
        site.shim.events().iter().filter(is_try).count()
    };
    within(async || tries() >= 3).await;
    let told_meanwhile = pruned(&site).len();
    let all_were_there = old.iter().all(|path| path.exists());
    site.shim.heal();
    within(async || !old.iter().any(|path| path.exists())).await;
    let ended = gateway.stop().await;

    assert_eq!(told_meanwhile, 1);
    assert!(all_were_there);
    assert_eq!(pruned(&site).len(), 1);
    assert_eq!(ended.code, Some(0));
    let verified = site.verified().await;
    assert_eq!(verified.code, Some(0), "{}", verified.stdout);
    let _gateway = site.start().await;
}

#[tokio::test]
async fn removes_nothing_before_it_is_on_the_disk_that_it_will_be() {
    for settings in ["", ", durability: relaxed, flush_interval: 10s"] {
        let site = Site::with(&format!(", retention: 1d{settings}")).await;
        let old = aged(&site).await;

        let gateway = site.start().await;
        within(async || !old.iter().any(|path| path.exists())).await;
        gateway.kill().await;

        let told = pruned(&site);
        let [told] = &told[..] else {
            panic!("one record tells: {told:?}")
        };
        let segment = segments(&site.audit).pop().expect("a segment");
        let text = fs::read_to_string(&segment).expect("segment");
        let id = told["id"].as_str().expect("id");
        let mut lines = text.split_inclusive('\n');
        let is_before = |line: &&str| !line.contains(id);
        let before: usize = lines.by_ref().take_while(is_before).map(str::len).sum();
        let events = site.shim.events();
        let is_removal =
            |event: &Event| event.call == "unlink" && event.name.starts_with("journal-");
        let removal = events.iter().position(is_removal).expect("a removal");
        let name = segment.file_name().expect("name").to_string_lossy();
        let synced = events[..removal].iter().any(|event| {
            event.is_done
                && event.call == "sync"
                && event.name.ends_with(&*name)
                && event.bytes > u64::try_from(before).expect("length")
        });
        assert!(synced, "{settings}: {:?}", &events[..=removal]);
    }
}

/// The records that tell of what is removed.
pub(crate) fn pruned(site: &Site) -> Vec<Value> {
    let texts = segments(&site.audit).into_iter();
    let text: String = texts
        .map(|it| fs::read_to_string(it).expect("segment"))
        .collect();
    let whole = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    let records = whole.map(|line| serde_json::from_str(line).expect("JSON"));
    records
        .filter(|record: &Value| record["kind"] == "pruned")
        .collect()
}

/// Lays down a journal whose oldest segments, which are returned, are two days older than its last record.
pub(crate) async fn aged(site: &Site) -> Vec<PathBuf> {
    let now = SystemClock.now();
    run(site, now - Duration::from_hours(49)).await;
    let mut old = segments(&site.audit);
    old.pop();
    run(site, now - Duration::from_mins(1)).await;
    old
}

/// A run of the journal by a clock that stands still.
pub(crate) async fn run(site: &Site, now: SystemTime) {
    let settings = Settings {
        dir: site.audit.clone(),
        durability: Durability::Strict,
        unauthenticated_rate: NonZeroU32::MIN,
        signing_key_file: None,
        checkpoint_interval: Duration::from_hours(1),
        segment: Bounds {
            bytes: 1,
            age: Duration::from_hours(1),
        },
        max_bytes: 1 << 30,
        retention: Duration::from_hours(10_000),
        keep_after_ack: Duration::ZERO,
        required_sinks: Vec::new(),
    };
    let clock = Arc::new(Standing(now));
    let opened = recovery::open(&settings.dir).expect("opened");
    let journal = Journal::start(opened, &settings, "0000000000000000", clock).await;
    journal.expect("a journal").stop().await.expect("stopped");
}

#[derive(Debug)]
struct Standing(SystemTime);

impl Clock for Standing {
    fn now(&self) -> SystemTime {
        self.0
    }
}
