//! A program that is asked to leave while the disk hangs.

use std::time::Duration;

use sandbox::{Fault, Target, Turn};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    checks::all_holds_in_the_end,
    process::{Ended, within},
    site::Site,
};

#[tokio::test]
async fn ends_in_its_time_though_the_disk_hangs() {
    let site = Site::with(", checkpoint_interval: 1h").await;
    let gateway = site.start().await;
    let transfer = site.transfer(0, 0);
    let answer = gateway.reject(&transfer).await.expect("an answer");

    site.shim.fail("sync journal-*.jsonl * hang");
    let ended = timeout(LONGEST_LEAVE, gateway.stop()).await;
    let ended = ended.expect("it waits for the disk");
    site.shim.heal();
    let _gateway = site.start().await;

    // No call was cut off, and the log tells of what is missing.
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let missing = "last audit record not written in time";
    assert!(messages(&ended).contains(&missing.to_owned()), "{ended:?}");
    all_holds_in_the_end(&site, &[answer]).await;
}

#[tokio::test]
async fn cuts_off_a_call_whose_outcome_the_disk_does_not_take() {
    let site = Site::with(", checkpoint_interval: 1h").await;
    let gateway = site.start().await;
    let transfers = [site.transfer(0, 0), site.transfer(0, 1)];
    let first = gateway.reject(&transfers[0]).await.expect("an answer");

    // The disk hangs once the request is at Partner Center.
    let slow = Turn::of(Fault::Delay { ms: 300 });
    site.sandbox.push_turn(Target::PartnerCenter, slow);
    let hanging = async {
        within(async || site.patches().len() == 2).await;
        site.shim.fail("sync journal-*.jsonl * hang");
        let is_written = |site: &Site| site.journal().of_kind("outcome").len() == 2;
        within(async || is_written(&site)).await;
        gateway.process.signal("TERM");
        Instant::now()
    };
    let (second, told) = tokio::join!(gateway.reject(&transfers[1]), hanging);
    let ended = timeout_at(told + LONGEST_LEAVE, gateway.process.ended()).await;
    let ended = ended.expect("it waits for the disk");
    site.shim.heal();
    let _gateway = site.start().await;

    assert_eq!(ended.code, Some(3), "{ended:?}");
    let out_of_time = "drain ran out of time".to_owned();
    assert!(messages(&ended).contains(&out_of_time), "{ended:?}");
    let is_done = second.as_ref().is_ok_and(|answer| answer.status == 200);
    assert!(!is_done, "answered before its outcome was on the disk");
    all_holds_in_the_end(&site, &[first]).await;
}

/// What the log says, without the facts.
fn messages(ended: &Ended) -> Vec<String> {
    let lines = ended.stderr.lines();
    let told = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    told.filter_map(|line| line["message"].as_str().map(str::to_owned))
        .collect()
}

/// The drain's 2 s, twice the 5 s that are left for last words, and what a busy machine adds.
const LONGEST_LEAVE: Duration = Duration::from_secs(16);
