//! How spans come to a collector, and what becomes of calls when they do not.

use std::time::Duration;

use super::{collected, decoded, traced};
use crate::harness::{World, log::Log, while_time_flows};
use crate::token::standing::ask;

#[tokio::test(start_paused = true)]
async fn traces_the_share_of_calls_that_it_is_told_to() {
    let world = traced(0.25).await;
    for _ in 0..400 {
        world.reject().at("/nowhere").send().await;
    }

    let spans = collected(world).await;

    // Of 400 at a quarter: seven deviations to either side.
    let calls = spans.named("call").len();
    assert!((40..=160).contains(&calls), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn exports_nothing_of_calls_that_are_not_traced() {
    for world in [traced(0.0).await, World::new().await] {
        let answer = world.reject().send().await;

        assert_eq!(answer.status, 200);
        let network = world.network.clone();
        world.end().await;
        assert_eq!(network.collected.lock().unwrap().len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn exports_spans_within_a_second_or_so() {
    let world = traced(1.0).await;
    world.reject().send().await;
    let sent = || decoded(&world.network.collected.lock().unwrap()).0.len();

    let early = sent();
    let arriving = async {
        while sent() == 0 {
            tokio::task::yield_now().await;
        }
    };
    while_time_flows(&world, arriving).await;

    assert_eq!((early, sent()), (0, 7));
    assert_eq!(told(&world, "exported").await, "7");
}

#[tokio::test(start_paused = true)]
async fn answers_calls_while_the_collector_is_away_and_tells_once() {
    let log = Log::begin();
    let world = traced(1.0).await;
    world.network.refuse("collector.test", 3);

    for _ in 0..1000 {
        let answer = world.reject().at("/nowhere").send().await;
        assert_eq!(answer.status, 404);
        tokio::time::advance(Duration::from_millis(5)).await;
    }
    let arriving = async {
        while world.network.collected.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    while_time_flows(&world, arriving).await;

    assert_eq!(log.lines("collector does not take traces").len(), 1);
    let spans = collected(world).await;
    assert_eq!(spans.named("call").len(), 1000);
    assert_eq!(log.lines("collector takes traces again").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn drops_spans_that_find_the_queue_full_and_counts_them() {
    let world = traced(1.0).await;
    world.network.hang("collector.test");

    let mut spans = 0;
    for _ in 0..2000 {
        world.reject().at("/nowhere").send_among_many().await;
        spans += 3;
    }

    let dropped: u64 = told(&world, "crowded_out").await.parse().unwrap();
    assert!(dropped >= spans - 4096 - 2 * 512, "{dropped}");
    world.network.resume("collector.test");
    let sent = collected(world).await.0.len();
    assert_eq!(u64::try_from(sent).unwrap() + dropped, spans);
}

/// A number of the metrics.
async fn told(world: &World, result: &str) -> String {
    let (_, page) = ask(world, "/metrics").await;
    let name = format!("partner_gateway_trace_spans_total{{result=\"{result}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&name));
    line.unwrap().to_owned()
}
