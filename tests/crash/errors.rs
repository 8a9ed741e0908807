//! Calls on the journal's files that fail: once, three times, and until the disk is mended.

use std::collections::HashSet;

use crate::{
    checks::all_holds_in_the_end,
    journal::segments,
    power::{Cut, Disk},
    process::within,
    shim::Event,
    site::{Answer, Site},
};

#[tokio::test]
async fn heals_after_writes_that_fail() {
    for times in TIMES {
        outlives("", "write journal-*.jsonl", times, "errno=5").await;
    }
}

#[tokio::test]
async fn heals_after_writes_that_come_short_on_a_full_disk() {
    for times in TIMES {
        let short = "write journal-*.jsonl 1-1 short=100\n";
        outlives(short, "write journal-*.jsonl", times, "errno=28").await;
    }
}

#[tokio::test]
async fn heals_after_syncs_that_fail() {
    for times in TIMES {
        outlives("", "sync journal-*.jsonl", times, "errno=5").await;
    }
}

#[tokio::test]
async fn heals_after_syncs_of_the_directory_that_fail() {
    for times in TIMES {
        outlives(ONE_WRITE, "sync-directory .", times, "errno=5").await;
    }
}

#[tokio::test]
async fn heals_after_segments_that_cannot_be_made() {
    for times in TIMES {
        outlives(ONE_WRITE, "create journal.next", times, "errno=30").await;
    }
}

#[tokio::test]
async fn heals_after_segments_that_cannot_be_named() {
    for times in TIMES {
        outlives(ONE_WRITE, "rename journal-*.jsonl", times, "errno=5").await;
    }
}

#[tokio::test]
async fn heals_after_room_that_cannot_be_had() {
    for times in TIMES {
        outlives(ONE_WRITE, "allocate journal*", times, "errno=5").await;
    }
}

#[tokio::test]
async fn heals_after_renames_that_fail() {
    for times in TIMES {
        outlives("", "rename checkpoint.json", times, "errno=5").await;
    }
}

#[tokio::test]
async fn leaves_no_fragment_before_a_good_line_when_files_may_not_grow() {
    let site = Site::new().await;
    let gateway = site.start_bare().await;
    let mut answers = Vec::new();

    for cycle in 0..10 {
        let last = segments(&site.audit).pop().expect("a segment");
        let length = std::fs::metadata(last).expect("segment").len();
        // Now no record has room, now the intent's first half, now the intent and a half of the outcome.
        let bound = length + cycle * 173;
        gateway.process.bound_file_size(&bound.to_string());
        for call in 0..3 {
            let transfer = site.transfer(usize::try_from(cycle).unwrap(), call);
            answers.push(gateway.reject(&transfer).await.expect("an answer"));
        }
        gateway.process.bound_file_size("unlimited");
        within(async || gateway.is_ready().await).await;
        let transfer = site.transfer(usize::try_from(cycle).unwrap(), 3);
        let healed = gateway.reject(&transfer).await.expect("an answer");
        assert_eq!(healed.status, 200, "{healed:?}");
        answers.push(healed);
    }
    gateway.kill().await;
    let _gateway = site.start_bare().await;

    let recorded = told_truly(&site, &answers);
    assert!(recorded.len() < answers.len(), "nothing was refused");
    all_holds_in_the_end(&site, &recorded).await;
}

/// Has calls fail from the second call on, and holds everything against everything after a power cut.
async fn outlives(before: &str, which: &str, times: &str, effect: &str) {
    let site = Site::with(", checkpoint_interval: 1s").await;
    let mut disk = Disk::holding(&site.audit);
    let gateway = site.start().await;
    let mut answers = vec![call(&gateway, &site, 0).await];

    site.shim.fail(&format!("{before}{which} {times} {effect}"));
    for number in 1..=CALLS {
        answers.push(call(&gateway, &site, number).await);
    }
    let (kind, _) = which.split_once(' ').expect("a call and a name");
    let is_met = |event: &Event| event.call == kind && event.errno != 0;
    within(async || site.shim.events().iter().any(is_met)).await;
    site.shim.heal();
    within(async || gateway.is_ready().await).await;
    let healed = call(&gateway, &site, CALLS + 1).await;
    gateway.kill().await;
    disk.follow(&site.shim);
    disk.lose_power(&site.audit, &site.shim.kept(), Cut::Worst);
    let _gateway = site.start().await;

    let case = format!("{which} {times}");
    assert_eq!((answers[0].status, healed.status), (200, 200), "{case}");
    answers.push(healed);
    assert_eq!(used_after_failing(&site.shim.events()), [""; 0], "{case}");
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
}

async fn call(gateway: &crate::site::Gateway, site: &Site, number: usize) -> Answer {
    let transfer = site.transfer(0, number);
    gateway.reject(&transfer).await.expect("an answer")
}

/// Checks what those were told that have no record of their own, and returns the others.
pub(crate) fn told_truly(site: &Site, answers: &[Answer]) -> Vec<Answer> {
    let mut recorded = Vec::new();
    for answer in answers {
        let asked = site
            .patches()
            .iter()
            .any(|it| it.path.ends_with(&answer.transfer));
        match (answer.status, answer.body["code"].as_str()) {
            (200, _) => recorded.push(answer.clone()),
            (503, Some("audit_unavailable")) => {
                assert_eq!(answer.body["forwarded"], "no", "{answer:?}");
                assert!(!asked, "sent without a record: {answer:?}");
            }
            (502, Some("audit_incomplete")) => {
                assert_ne!(answer.body["forwarded"], "no", "{answer:?}");
                assert!(asked, "{answer:?}");
            }
            _ => panic!("{answer:?}"),
        }
    }
    recorded
}

/// Every write and sync of a file after one of them failed, by the process that was told so.
fn used_after_failing(events: &[Event]) -> Vec<String> {
    let mut failed = HashSet::new();
    let mut faults = Vec::new();
    for event in events.iter().filter(|event| event.is_done) {
        let file = (event.process, event.inode);
        let is_use = ["write", "sync"].contains(&&*event.call);
        // Another file can have the number of one that is gone.
        if event.call == "create" {
            failed.remove(&file);
        }
        if is_use && failed.contains(&file) {
            faults.push(format!("{event:?}"));
        }
        if is_use && event.errno != 0 {
            failed.insert(file);
        }
    }
    faults
}

/// Once, three times, and for as long as the rule stands.
const TIMES: [&str; 3] = ["1-1", "1-3", "*"];

/// Has the writer begin a new segment.
const ONE_WRITE: &str = "write journal-*.jsonl 1-1 errno=5\n";

/// More than three, so that the fourth goes on after three that fail.
const CALLS: usize = 5;
