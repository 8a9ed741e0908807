//! As many calls in flight as may be: what is over is shed at once, and no caller takes all.

use std::time::Duration;

use futures_util::future::join_all;
use partner_gateway::config::Config;

use crate::harness::{World, call::Call, while_time_flows};

#[tokio::test(start_paused = true)]
async fn sheds_what_is_over_the_limit_at_once() {
    let world = World::with(|config| config.server.max_in_flight = 1).await;
    world.sandbox.push_fault(
        sandbox::Target::PartnerCenter,
        sandbox::Fault::Delay { ms: 1000 },
    );

    let slow = world.reject().send();
    let shed = async {
        while world.sandbox.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        let unknown = world.reject().without("authorization").send().await;
        unknown.is_problem(401, "unauthenticated", "no");
        let shed = world.reject().send().await;
        tokio::time::advance(Duration::from_secs(2)).await;
        shed
    };
    let (slow, shed) = tokio::join!(slow, shed);

    shed.is_problem(503, "overloaded", "no");
    assert_eq!(shed.header("gateway-outcome"), Some("refused"));
    assert_eq!(slow.status, 200);
}

#[tokio::test(start_paused = true)]
async fn lets_another_caller_in_while_one_has_all_that_it_may_have() {
    let world = World::with(|config| {
        config.server.max_in_flight = 8;
        let_strangers_reject(config);
    })
    .await;
    warm_up(&world).await;
    hold_up(&world, 8);

    let greedy = join_all((0..8).map(|_| world.reject().send()));
    let others = async {
        until_sent(&world, 5).await;
        let first = stranger(&world).send();
        let second = stranger(&world).send();
        let more = async {
            until_sent(&world, 7).await;
            let shed = [world.reject().send().await, stranger(&world).send().await];
            tokio::time::advance(Duration::from_secs(2)).await;
            shed
        };
        tokio::join!(first, second, more)
    };
    let (greedy, (first, second, [greedy_again, stranger_again])) = tokio::join!(greedy, others);

    let (let_in, shed): (Vec<_>, Vec<_>) = greedy.iter().partition(|it| it.status != 503);
    assert_eq!((let_in.len(), shed.len()), (5, 3));
    for shed in shed.into_iter().chain([&greedy_again, &stranger_again]) {
        shed.is_problem(503, "overloaded", "no");
        assert_eq!(shed.header("gateway-outcome"), Some("refused"));
        assert_eq!(shed.header("retry-after"), Some("1"));
        assert!(shed.record.get("attempts").is_none());
    }
    assert_eq!(first.record["principal"], "stranger");
    assert_eq!(first.status, 400, "rejected before");
    assert_eq!(second.status, 400);
    assert_eq!(world.journal().of_kind("intent").len(), 1 + 5 + 2);
}

#[tokio::test(start_paused = true)]
async fn gives_a_place_back_with_each_answer() {
    let world = World::with(|config| config.server.max_in_flight = 1).await;

    for _ in 0..3 {
        let answer = world.reject().send().await;
        assert_ne!(answer.status, 503);
    }
    world.cut_network(true);
    for _ in 0..2 {
        let failed = while_time_flows(&world, world.reject().send()).await;
        failed.is_problem(502, "upstream_unreachable", "no");
    }
}

/// Has the caller `stranger` do what `billing` may.
fn let_strangers_reject(config: &mut Config) {
    let rule = config.authorization.rules.first_mut().expect("a rule");
    rule.principals.push("stranger".to_owned());
}

fn stranger(world: &World) -> Call<'_> {
    let call = world.reject().without("authorization");
    call.token("stranger-token")
}

/// Has a token fetched, so that later calls differ in nothing.
async fn warm_up(world: &World) {
    assert_eq!(world.reject().send().await.status, 200);
}

/// Has so many requests upstream take a second.
fn hold_up(world: &World, requests: usize) {
    for _ in 0..requests {
        let slow = sandbox::Fault::Delay { ms: 1000 };
        world
            .sandbox
            .push_fault(sandbox::Target::PartnerCenter, slow);
    }
}

/// Waits until so many calls more than the first are on their way.
async fn until_sent(world: &World, calls: usize) {
    while world.sandbox.seen().len() < 1 + calls {
        tokio::task::yield_now().await;
    }
}
