//! A journal that is tampered with by name while it is written: its file unlinked, moved, replaced, its directory
//! taken away, its file system made read-only.

use std::{fs, path::Path};

use crate::{
    checks::all_holds_in_the_end,
    errors::told_truly,
    journal::segments,
    process::within,
    site::{Answer, Gateway, Site},
};

#[tokio::test]
async fn acknowledges_nothing_in_a_segment_that_was_unlinked() {
    outlives(|segment| fs::remove_file(segment).expect("unlinked")).await;
}

#[tokio::test]
async fn acknowledges_nothing_in_a_segment_that_was_moved() {
    outlives(|segment| fs::rename(segment, segment.with_extension("bak")).expect("moved")).await;
}

#[tokio::test]
async fn acknowledges_nothing_in_a_segment_that_was_replaced() {
    outlives(|segment| {
        let new = segment.with_extension("new");
        fs::copy(segment, &new).expect("a copy");
        fs::rename(new, segment).expect("replaced");
    })
    .await;
}

#[tokio::test]
async fn refuses_while_its_directory_is_gone_and_heals() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let mut answers = vec![call(&gateway, &site, 0).await];
    let aside = site.audit.with_extension("aside");

    fs::rename(&site.audit, &aside).expect("moved");
    for number in 1..=3 {
        answers.push(call(&gateway, &site, number).await);
    }
    let is_ready = gateway.is_ready().await;
    fs::rename(&aside, &site.audit).expect("moved back");
    within(async || gateway.is_ready().await).await;
    answers.push(call(&gateway, &site, 4).await);
    gateway.kill().await;
    let _gateway = site.start().await;

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!((statuses, is_ready), (vec![200, 503, 503, 503, 200], false));
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
}

#[tokio::test]
async fn refuses_while_its_file_system_is_read_only_and_heals() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let mut answers = vec![call(&gateway, &site, 0).await];

    // No privilege short of root's makes a mount read-only while a file on it is open for writing.
    site.shim.fail("* * * errno=30");
    for number in 1..=3 {
        answers.push(call(&gateway, &site, number).await);
    }
    let is_ready = gateway.is_ready().await;
    site.shim.heal();
    within(async || gateway.is_ready().await).await;
    answers.push(call(&gateway, &site, 4).await);
    gateway.kill().await;
    let _gateway = site.start().await;

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!((statuses, is_ready), (vec![200, 503, 503, 503, 200], false));
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
}

/// Does something to the segment that is written, and puts back what it held before once the program is gone:
/// what was acknowledged since must stand elsewhere.
async fn outlives(harm: impl FnOnce(&Path)) {
    let site = Site::new().await;
    let gateway = site.start().await;
    let mut answers = vec![call(&gateway, &site, 0).await];
    let segment = segments(&site.audit).remove(0);
    let before = fs::read(&segment).expect("segment");

    harm(&segment);
    for number in 1..=4 {
        answers.push(call(&gateway, &site, number).await);
    }
    gateway.kill().await;
    drop(fs::remove_file(segment.with_extension("bak")));
    fs::write(&segment, before).expect("put back");
    site.goes_unseen();
    let _gateway = site.start().await;

    assert_eq!(answers[4].status, 200, "it does not heal: {answers:?}");
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
}

async fn call(gateway: &Gateway, site: &Site, number: usize) -> Answer {
    let transfer = site.transfer(0, number);
    gateway.reject(&transfer).await.expect("an answer")
}
