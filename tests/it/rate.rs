//! How often: under a rule with a rate each caller has an allowance of its own.

use std::{num::NonZeroU32, time::Duration};

use partner_gateway::{
    authorization::{Customers, Rate, RuleSettings},
    config::Config,
};

use crate::harness::{CUSTOMER, TRANSFER, World, billing_rule, call::Answer};

#[tokio::test(start_paused = true)]
async fn lets_a_burst_pass_and_then_tells_when_to_come_again() {
    let world = World::with(|config| first(config).rate = Some(rate(1, 2))).await;

    let burst = [world.reject().send().await, world.reject().send().await];
    let sent = world.sandbox.seen().len();
    let over = world.reject().send().await;

    assert!(burst.iter().all(|answer| answer.record["status"] != 429));
    is_over_rate(&over, "billing may reject");
    assert_eq!(over.header("retry-after"), Some("1"));
    assert_eq!(world.sandbox.seen().len(), sent);
    assert_eq!(world.journal().of_kind("intent").len(), 2);

    tokio::time::advance(Duration::from_millis(999)).await;
    is_over_rate(&world.reject().send().await, "billing may reject");
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_ne!(world.reject().send().await.status, 429);
    is_over_rate(&world.reject().send().await, "billing may reject");
    assert_eq!(world.journal().of_kind("intent").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn shares_no_allowance_between_callers() {
    let world = World::with(|config| {
        let rule = first(config);
        rule.principals = vec!["billing".to_owned(), "stran*".to_owned()];
        rule.rate = Some(rate(1, 1));
    })
    .await;
    let stranger = || {
        let call = world.reject().without("authorization");
        call.token("stranger-token").send()
    };

    assert_ne!(world.reject().send().await.status, 429);
    is_over_rate(&world.reject().send().await, "billing may reject");
    assert_ne!(stranger().await.status, 429);
    is_over_rate(&stranger().await, "billing may reject");
}

#[tokio::test(start_paused = true)]
async fn shares_no_allowance_between_rules_and_lends_none() {
    let other = "11111111-2222-4333-8444-555555555555";
    let world = World::with(|config| {
        first(config).rate = Some(rate(1, 1));
        let mut any = billing_rule();
        any.name = "any customer".to_owned();
        any.customers = Customers::Any;
        any.rate = Some(rate(1, 1));
        config.authorization.rules.push(any);
    })
    .await;
    let elsewhere = format!("/transfers/{other}/{TRANSFER}/reject");

    assert_ne!(world.reject().send().await.status, 429);
    is_over_rate(&world.reject().send().await, "billing may reject");
    assert_ne!(world.reject().at(&elsewhere).send().await.status, 429);
    is_over_rate(&world.reject().at(&elsewhere).send().await, "any customer");
}

#[tokio::test(start_paused = true)]
async fn takes_nothing_for_a_call_that_is_malformed_or_denied() {
    let world = World::with(|config| first(config).rate = Some(rate(1, 1))).await;
    let denied = "/transfers/11111111-2222-4333-8444-555555555555";
    let denied = format!("{denied}/{TRANSFER}/reject");

    for _ in 0..3 {
        let malformed = world.reject().json("[]").send().await;
        malformed.is_problem(400, "invalid_body", "no");
        let denied = world.reject().at(&denied).send().await;
        denied.is_problem(403, "policy_denied", "no");
    }

    assert_ne!(world.reject().send().await.status, 429);
}

#[tokio::test(start_paused = true)]
async fn tells_first_that_a_call_is_malformed_or_denied() {
    let world = World::with(|config| first(config).rate = Some(rate(1, 1))).await;
    assert_ne!(world.reject().send().await.status, 429);
    is_over_rate(&world.reject().send().await, "billing may reject");

    let malformed = world.reject().json("[]").send().await;
    let account = world.reject().header("Partner-Account", "nobody");
    let account = account.send().await;
    let customer = CUSTOMER.replace("b67f", "a67f");
    let denied = format!("/transfers/{customer}/{TRANSFER}/reject");
    let denied = world.reject().at(&denied).send().await;

    malformed.is_problem(400, "invalid_body", "no");
    account.is_problem(403, "account_forbidden", "no");
    denied.is_problem(403, "policy_denied", "no");
}

#[tokio::test(start_paused = true)]
async fn tells_of_the_rate_before_a_token_that_cannot_be_had() {
    let world = World::with(|config| first(config).rate = Some(rate(1, 1))).await;
    world.cut_network(true);

    let unreachable = world.reject().send().await;
    let over = world.reject().send().await;

    assert_eq!(unreachable.status, 503);
    is_over_rate(&over, "billing may reject");
}

#[tokio::test(start_paused = true)]
async fn tells_of_the_rate_before_the_gateway_that_leaves() {
    let world = World::with(|config| first(config).rate = Some(rate(1, 1))).await;
    world.gateway.drain().begin();

    let within = world.reject().send().await;
    let over = world.reject().send().await;

    within.is_problem(503, "draining", "no");
    is_over_rate(&over, "billing may reject");
}

#[tokio::test(start_paused = true)]
async fn tells_of_the_rate_before_the_lack_of_a_place() {
    let world = World::with(|config| {
        config.server.max_in_flight = 1;
        first(config).rate = Some(rate(1, 2));
    })
    .await;
    world.sandbox.push_fault(
        sandbox::Target::PartnerCenter,
        sandbox::Fault::Delay { ms: 500 },
    );

    let slow = world.reject().send();
    let others = async {
        while world.sandbox.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        let others = [world.reject().send().await, world.reject().send().await];
        tokio::time::advance(Duration::from_millis(600)).await;
        others
    };
    let (slow, [within, over]) = tokio::join!(slow, others);

    assert_eq!(slow.status, 200);
    within.is_problem(503, "overloaded", "no");
    is_over_rate(&over, "billing may reject");
}

fn is_over_rate(answer: &Answer, rule: &str) {
    answer.is_problem(429, "rate_limited", "no");
    assert_eq!(answer.header("gateway-outcome"), Some("refused"));
    assert_eq!(answer.record["decision"], "denied");
    assert_eq!(answer.record["rule"], rule);
    assert!(answer.record.get("attempts").is_none());
}

fn first(config: &mut Config) -> &mut RuleSettings {
    config.authorization.rules.first_mut().expect("a rule")
}

fn rate(per_second: u32, burst: u32) -> Rate {
    Rate {
        per_second: NonZeroU32::new(per_second).expect("a number"),
        burst: NonZeroU32::new(burst).expect("a number"),
    }
}
