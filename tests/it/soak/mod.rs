//! A hundred thousand calls under random faults. Afterwards every answer, every record and every transfer must
//! agree.
//!
//! Each seed has a world of its own and a test of its own, so that they run beside each other and one that
//! fails can be tried alone.

mod fault;
mod plan;
mod tally;

use std::{collections::HashSet, time::Duration};

use fastrand::Rng;
use futures_util::future::{join, join_all};
use partner_gateway::{authorization::Customers, command::Operation, config::Config};
use sandbox::Target;
use tokio::time::Instant;

use self::{plan::Plan, tally::Tally};
use crate::harness::{World, canary, while_time_flows, while_time_flows_by};

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_1() {
    soak(1).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_2() {
    soak(2).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_3() {
    soak(3).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_4() {
    soak(4).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_5() {
    soak(5).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_6() {
    soak(6).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_7() {
    soak(7).await;
}

#[tokio::test(start_paused = true)]
async fn agrees_with_records_and_transfers_under_random_faults_8() {
    soak(8).await;
}

async fn soak(seed: u64) {
    fastrand::seed(seed);
    let mut random = Rng::with_seed(seed);
    let world = World::with(widen).await;
    let plans = plans(&mut random);
    for plan in &plans {
        plan.prepare(&world);
    }
    let began = Instant::now();

    let all = join_all(plans.iter().map(|plan| plan.carry_out(&world)));
    let all = join(all, plan::storms(&world, random.fork()));
    // Uneven, so that what waits for the same time does not always wake together.
    let step = || Duration::from_millis(random.u64(1..200));
    let (answers, ()) = while_time_flows_by(&world, step, all).await;

    let took = began.elapsed();
    let journal = world.journal();
    let mut tally = Tally::of(journal);
    let mut named = HashSet::new();
    for (plan, answers) in plans.iter().zip(answers) {
        let answers = answers.into_iter().map(|it| it.recorded(journal));
        let answers: Vec<_> = answers.collect();
        named.extend(answers.iter().map(|it| it.audit_id().to_owned()));
        tally.take(&world, plan, &answers);
    }
    assert!(tally.calls >= CALLS);
    assert_eq!(
        (named.len(), journal.outcomes()),
        (tally.calls, tally.calls)
    );
    tally.is_within_budget(SHARE, took);
    tally.has_met(&KINDS);
    canary::assert_not_shown(&world.gateway);
    serves_on(&world).await;
}

fn plans(random: &mut Rng) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut calls = 0;
    while calls < CALLS {
        let plan = Plan::draw(random, plans.len());
        calls += plan.calls();
        plans.push(plan);
    }
    plans
}

/// Checks that nothing of what has befallen the gateway has stayed.
async fn serves_on(world: &World) {
    world.sandbox.forget_turns(Target::PartnerCenter);
    tokio::time::advance(Duration::from_mins(1)).await;
    let answer = while_time_flows(world, world.reject().send()).await;
    assert_eq!(answer.status, 200, "{}", answer.record);
    assert_eq!(answer.record["attempts"].as_array().map(Vec::len), Some(1));
}

fn widen(config: &mut Config) {
    let rule = &mut config.authorization.rules[0];
    rule.customers = Customers::Any;
    rule.operations.insert(Operation::TransfersRead);
    config.upstream.max_response_bytes = fault::LARGEST_ANSWER;
    config.retry_budget = SHARE;
    config.server.max_in_flight = 1200;
}

/// For each of eight seeds, a hundred thousand in all.
const CALLS: usize = 12_500;

const SHARE: f64 = 0.2;

/// What every soak must have met, so that it cannot pass by doing nothing.
const KINDS: [&str; 24] = [
    "read: failed upstream_timeout no",
    "read: failed upstream_unreachable no",
    "read: forwarded 200 yes",
    "read: forwarded 429 yes",
    "read: refused circuit_open no",
    "read: refused rate_limited no",
    "reject: failed upstream_invalid unknown, and it was",
    "reject: failed upstream_invalid unknown, and it was not",
    "reject: failed upstream_timeout unknown, and it was",
    "reject: failed upstream_timeout unknown, and it was not",
    "reject: failed upstream_unauthorized yes",
    "reject: failed upstream_unconfirmed yes",
    "reject: failed upstream_unreachable no",
    "reject: forwarded 200 yes",
    "reject: forwarded 307 yes",
    "reject: forwarded 400 yes",
    "reject: forwarded 404 yes",
    "reject: forwarded 409 yes",
    "reject: forwarded 429 yes",
    "reject: forwarded 503 yes",
    "reject: reconciled 200 yes",
    "reject: refused circuit_open no",
    "reject: refused rate_limited no",
    "reject: replayed 200 yes",
];
