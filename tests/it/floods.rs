//! Strangers who come faster than they may be recorded one by one: the journal tells them in sum.

use std::{
    collections::{BTreeMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{
    CUSTOMER, TRANSFER, World,
    call::{Answer, Call},
    journal::Journal,
};

#[tokio::test(start_paused = true)]
async fn records_a_seconds_worth_of_strangers_and_sums_up_the_rest() {
    let world = World::new().await;

    let flood = flood(&world, 1000).await;
    world.reject().send().await;
    let early = world.journal().of_kind("summary").len();
    tokio::time::advance(WINDOW).await;
    world.reject().send().await;

    let summaries = world.journal().of_kind("summary");
    assert_eq!((early, summaries.len()), (0, 1));
    assert_eq!(are_told(&flood, world.journal()), 50);
    // The first fifty had records of their own, so it is those behind them whose addresses are named.
    let named: HashSet<IpAddr> = (50..82).map(address).collect();
    let mut expected = BTreeMap::new();
    for index in 50..1000 {
        let from = Some(address(index)).filter(|from| named.contains(from));
        let from = from.map_or("other".to_owned(), |from| from.to_string());
        *expected.entry(from).or_insert(0) += 1;
    }
    assert_eq!(by(&summaries[0], "address"), expected);
}

#[tokio::test(start_paused = true)]
async fn records_as_many_strangers_each_second_and_sums_up_each_ten() {
    let world = World::new().await;

    let mut answers = Vec::new();
    for _ in 0..12 {
        answers.extend(flood(&world, 80).await);
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let (_, dir) = world.end().await;

    let journal = read(&dir);
    assert_eq!(are_told(&answers, &journal), 12 * 50);
    let sums: Vec<u64> = journal.summed_up().into_values().collect();
    assert_eq!(sums, [10 * 30, 2 * 30]);
}

#[tokio::test(start_paused = true)]
async fn counts_strangers_by_what_they_were_told() {
    let world = World::new().await;
    let mut answers = flood(&world, 50).await;

    for target in ["/", "/nowhere", "/livez"] {
        answers.push(stranger(&world).at(target).send_among_many().await);
    }
    for method in ["GET", "PUT"] {
        answers.push(stranger(&world).method(method).send_among_many().await);
    }
    let large = " ".repeat(4097);
    answers.push(stranger(&world).json(&large).send_among_many().await);
    answers.push(stranger(&world).token("wrong").send_among_many().await);
    let (_, dir) = world.end().await;

    let journal = read(&dir);
    assert_eq!(are_told(&answers, &journal), 50);
    let summaries = journal.of_kind("summary");
    assert_eq!(summaries.len(), 1);
    let expected = [
        ("body_too_large", 1),
        ("method_not_allowed", 2),
        ("not_found", 3),
        ("unauthenticated", 1),
    ];
    let expected = expected.map(|(code, count)| (code.to_owned(), count));
    assert_eq!(by(&summaries[0], "code"), BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn gives_known_callers_records_of_their_own_in_any_flood() {
    let world = World::new().await;
    flood(&world, 1000).await;

    // Each finds exactly one outcome record, which agrees with its answer.
    for _ in 0..60 {
        world.reject().send().await;
        let unfit = format!("/transfers/{CUSTOMER}/{TRANSFER}/reject?x");
        let unfit = world.reject().at(&unfit).send().await;
        unfit.is_problem(400, "invalid_request", "no");
        let denied = stranger(&world).token("stranger-token").send().await;
        denied.is_problem(403, "policy_denied", "no");
        // What is refused before anybody asks who calls is theirs, too.
        let lost = world.reject().at("/nowhere").send().await;
        lost.is_problem(404, "not_found", "no");
        let other = world.reject().method("GET").send().await;
        other.is_problem(405, "method_not_allowed", "no");
        let large = world.reject().json(&"x".repeat(5000)).send().await;
        large.is_problem(413, "body_too_large", "no");
    }

    let outcomes = world.journal().of_kind("outcome");
    let by = |name: &str| outcomes.iter().filter(|it| it["principal"] == name).count();
    assert_eq!((by("billing"), by("stranger")), (300, 60));
}

#[tokio::test(start_paused = true)]
async fn tells_what_it_has_summed_up_before_it_leaves() {
    let world = World::new().await;
    let flood = flood(&world, 200).await;

    let (_, dir) = world.end().await;

    let journal = read(&dir);
    assert_eq!(are_told(&flood, &journal), 50);
    let records = journal.records();
    let kinds = records.iter().rev().map(|it| it["kind"].as_str().unwrap());
    assert_eq!(
        kinds.take(4).collect::<Vec<_>>(),
        ["checkpoint", "stopped", "summary", "outcome"]
    );
}

/// So many calls without a credential, from forty addresses in turn.
async fn flood(world: &World, count: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for index in 0..count {
        let call = stranger(world).from(address(index));
        let answer = call.send_among_many().await;
        assert_eq!(answer.json()["code"], "unauthenticated");
        answers.push(answer);
    }
    answers
}

fn stranger(world: &World) -> Call<'_> {
    world.reject().without("authorization")
}

fn address(index: usize) -> IpAddr {
    IpAddr::from([198, 51, 100, u8::try_from(index % 40).unwrap()])
}

/// Checks that each answer names a record, its own or a summary, and that summaries tell as many as
/// name them. Returns how many have a record of their own.
fn are_told(answers: &[Answer], journal: &Journal) -> usize {
    let outcomes = journal.of_kind("outcome");
    let own: HashSet<&str> = outcomes.iter().filter_map(|it| it["id"].as_str()).collect();
    let mut naming = BTreeMap::new();
    let mut recorded = 0;
    for answer in answers {
        if own.contains(answer.audit_id()) {
            recorded += 1;
            continue;
        }
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        *naming
            .entry((answer.audit_id().to_owned(), code))
            .or_insert(0) += 1;
    }
    assert_eq!(journal.summed_up(), naming);
    recorded
}

/// A summary's counts, added up by one of their members.
fn by(summary: &Value, member: &str) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for count in summary["counts"].as_array().unwrap() {
        let key = count[member].as_str().unwrap().to_owned();
        *sums.entry(key).or_insert(0) += count["count"].as_u64().unwrap();
    }
    sums
}

fn read(dir: &TempDir) -> Journal {
    let journal = Journal::of(dir.path());
    journal.read_on();
    journal
}

/// How long counts gather.
const WINDOW: Duration = Duration::from_secs(10);
