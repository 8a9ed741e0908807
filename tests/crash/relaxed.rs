//! `audit.durability: relaxed`: what may be lost, and what not.

use std::{collections::HashSet, time::Duration};

use fastrand::Rng;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    checks::all_holds_in_the_end,
    power::{Cut, Disk},
    process::within,
    setting::setting,
    shim::Event,
    site::{Answer, Gateway, Site},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_no_more_than_the_interval_when_the_power_goes() {
    let mut rng = Rng::with_seed(setting("CRASH_SEED", 6));
    let site = Site::with(", durability: relaxed, flush_interval: 100ms").await;
    let mut disk = Disk::holding(&site.audit);
    let mut lost = 0;

    let mut gateway = site.start().await;
    for round in 0..ROUNDS {
        let mut answers = call_for_a_while(&site, &gateway, round).await;
        if round == 0 {
            // What is answered while no sync ends is not durable when the power goes.
            site.shim.fail("sync journal-*.jsonl * hang");
            let transfer = site.transfer(ROUNDS * CALLERS, 0);
            let answer = gateway.reject(&transfer).await.expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            answers.push((answer, Instant::now()));
        }
        let killed = Instant::now();
        gateway.kill().await;
        site.shim.heal();
        disk.follow(&site.shim);
        let cut = if round == 0 {
            Cut::Worst
        } else {
            Cut::Random(&mut rng)
        };
        disk.lose_power(&site.audit, &site.shim.kept(), cut);
        gateway = site.start().await;

        let verified = site.verified().await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let outcomes = site.journal().of_kind("outcome").into_iter();
        let there: HashSet<_> = outcomes.map(|it| it["id"].to_string()).collect();
        let gone = answers
            .iter()
            .filter(|(it, _)| !there.contains(&format!("{:?}", it.audit_id)));
        let gone: Vec<_> = gone.map(|(_, at)| killed.duration_since(*at)).collect();
        lost += gone.len();
        let oldest = gone.iter().max().copied().unwrap_or_default();
        assert!(oldest <= LONGEST_LOSS, "lost after {oldest:?}");
        let first = killed.duration_since(answers[0].1);
        assert!(first > LONGEST_LOSS, "nothing had to be there");
    }

    assert!(lost > 0, "nothing was lost, so nothing was tried");
}

#[tokio::test]
async fn writes_anew_what_a_sync_beside_the_calls_did_not_take() {
    let site =
        Site::with(", durability: relaxed, flush_interval: 200ms, checkpoint_interval: 1h").await;
    let mut disk = Disk::holding(&site.audit);
    let gateway = site.start().await;
    site.shim.fail("sync journal-*.jsonl 1-1 errno=5");

    let mut answers = Vec::new();
    for number in 0..4 {
        let transfer = site.transfer(0, number);
        answers.push(gateway.reject(&transfer).await.expect("an answer"));
    }
    let is_met = |event: &Event| event.call == "sync" && event.errno != 0;
    within(async || site.shim.events().iter().any(is_met)).await;
    site.shim.heal();
    // Ready is also what it was before the sync was told to have failed.
    within(async || {
        let made = segments_made(&site);
        gateway.is_ready().await && made == 2
    })
    .await;
    gateway.kill().await;
    disk.follow(&site.shim);
    disk.lose_power(&site.audit, &site.shim.kept(), Cut::Worst);
    let _gateway = site.start().await;

    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200; 4]);
    all_holds_in_the_end(&site, &answers).await;
}

/// How many segments were made; where nothing was on the disk so far, the second takes the place of the first.
fn segments_made(site: &Site) -> usize {
    let is_one = |it: &&Event| it.is_done && it.errno == 0 && it.other.starts_with("journal-");
    site.shim.events().iter().filter(is_one).count()
}

/// Has callers reject one transfer after the other, and returns what they were answered and when.
async fn call_for_a_while(site: &Site, gateway: &Gateway, round: usize) -> Vec<(Answer, Instant)> {
    let calling = (0..CALLERS).map(async |caller| {
        let mut answers: Vec<(_, Instant)> = Vec::new();
        let is_old = |(_, at): &(_, Instant)| at.elapsed() >= LONGEST_LOSS + LONGER;
        while !answers.first().is_some_and(is_old) {
            let transfer = site.transfer(round * CALLERS + caller, answers.len());
            let answer = gateway.reject(&transfer).await.expect("an answer");
            assert_eq!(answer.status, 200, "{answer:?}");
            answers.push((answer, Instant::now()));
        }
        answers
    });
    join_all(calling).await.concat()
}

const ROUNDS: usize = 4;

const CALLERS: usize = 4;

/// The interval and what a busy machine adds.
const LONGEST_LOSS: Duration = Duration::from_millis(600);

const LONGER: Duration = Duration::from_millis(200);
