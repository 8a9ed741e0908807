//! A disk that is slow, and one that hangs.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout};

use crate::{
    checks::{all_holds, all_holds_in_the_end},
    errors::told_truly,
    process::within,
    site::Site,
};

#[tokio::test]
async fn sends_nothing_before_its_intent_is_on_a_slow_disk() {
    for milliseconds in [5, 50, 500] {
        let site = Site::with(", checkpoint_interval: 1h").await;
        let gateway = site.start().await;
        let transfer = site.transfer(0, 0);
        site.shim
            .fail(&format!("sync journal-*.jsonl * delay={milliseconds}"));

        let began = Instant::now();
        let answer = gateway.reject(&transfer).await.expect("an answer");

        let took = began.elapsed();
        assert_eq!(answer.status, 200);
        assert!(took >= Duration::from_millis(2 * milliseconds), "{took:?}");
        all_holds(&site, &[answer]).await;
    }
}

#[tokio::test]
async fn shares_the_syncs_of_a_slow_disk_among_many_callers() {
    let site = Site::with(", checkpoint_interval: 1h").await;
    let gateway = site.start().await;
    site.shim.fail("sync journal-*.jsonl * delay=50");

    let calls = (0..64).map(|number| (site.transfer(0, number), &gateway));
    let calling = calls.map(async |(transfer, gateway)| gateway.reject(&transfer).await);
    let answers: Vec<_> = join_all(calling)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();

    let syncs = site
        .shim
        .events()
        .iter()
        .filter(|it| it.call == "sync")
        .count();
    assert!(
        answers.iter().all(|answer| answer.status == 200),
        "{answers:?}"
    );
    assert!(syncs < answers.len(), "{syncs} syncs for 128 records");
    all_holds(&site, &answers).await;
}

#[tokio::test]
async fn refuses_calls_soon_while_the_disk_hangs_and_heals() {
    let site = Site::with(", checkpoint_interval: 1h").await;
    let gateway = site.start().await;
    let first = gateway
        .reject(&site.transfer(0, 0))
        .await
        .expect("an answer");
    let threads = gateway.threads();

    site.shim.fail("sync journal-*.jsonl * hang");
    let transfers: Vec<_> = (1..=40).map(|number| site.transfer(0, number)).collect();
    let calls = transfers.iter().map(|transfer| gateway.reject(transfer));
    let answers = timeout(LONGEST_STALL, join_all(calls))
        .await
        .expect("refused in time");
    let threads_while_hanging = gateway.threads();
    let again = timeout(LONGEST_STALL, gateway.reject(&transfers[0])).await;
    let is_ready = gateway.is_ready().await;
    let sent = site.patches().len();
    site.shim.heal();
    within(async || gateway.is_ready().await).await;
    let healed = gateway
        .reject(&site.transfer(0, 41))
        .await
        .expect("an answer");

    let mut answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    answers.push(again.expect("refused in time").expect("an answer"));
    for answer in &answers {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    assert_eq!((first.status, healed.status, sent), (200, 200, 1));
    assert!(!is_ready, "ready though nothing can be written");
    assert!(
        threads_while_hanging <= threads,
        "{threads} threads, then {threads_while_hanging}"
    );
    answers.extend([first, healed]);
    let recorded = told_truly(&site, &answers);
    all_holds_in_the_end(&site, &recorded).await;
    gateway.kill().await;
    let _gateway = site.start().await;
    all_holds_in_the_end(&site, &recorded).await;
}

/// The gateway's patience of 2 s and what a busy machine adds.
const LONGEST_STALL: Duration = Duration::from_secs(4);
