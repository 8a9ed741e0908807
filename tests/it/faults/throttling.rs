//! Answers that ask to be left alone for a while, and what later calls hear.

use std::{collections::BTreeSet, time::Duration};

use partner_gateway::{authorization::Customers, config::Config};
use sandbox::Fault;
use tokio::time::{Instant, advance};

use super::{Row, always, found, once, put_off, refusal, rejecting, told};
use crate::harness::{CUSTOMER, TRANSFER, World, call::Answer, while_time_flows};

/// Another customer, of which another transfer is known.
const OTHER: &str = "5b6d3c7e-1f7a-4f0f-8f5e-3a2d1c0b9a87";

#[tokio::test(start_paused = true)]
async fn comes_again_when_asked_if_there_is_the_time() {
    rejecting(FITTING).await;
}

#[tokio::test(start_paused = true)]
async fn passes_on_what_asks_for_longer_than_a_call_may_take() {
    rejecting(TOO_LONG).await;
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_asked_and_not_much_longer() {
    for (status, asked, longest) in [
        // Those that have waited together are spread over a quarter of a second.
        (429, "3", 3.4),
        (429, "Sun, 01 Mar 2026 00:00:03 GMT", 3.4),
        (429, "0", 0.4),
        (503, "3", 3.1),
        (503, "0", 0.4),
        (503, "soon", 0.4),
    ] {
        let world = World::new().await;
        once(&world, put_off(status, asked));
        let start = Instant::now();

        let found = found(&world, world.reject()).await;

        let waited = start.elapsed().as_secs_f64();
        let shortest = if longest > 3.0 { 3.0 } else { 0.0 };
        assert_eq!(found.answer, "200 forwarded yes");
        assert!(
            (shortest..longest).contains(&waited),
            "{status} {asked}: {waited}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn holds_back_later_calls_for_the_same_customer_only() {
    let world = World::with(let_both_customers).await;
    add_other_transfer(&world);
    once(&world, put_off(429, "57"));
    let first = world.reject().send().await;
    let start = Instant::now();

    let refused = world.reject().send().await;
    let other = while_time_flows(&world, of_other(&world)).await;
    advance(Duration::from_secs(10)).await;
    let waited = while_time_flows(&world, world.reject().send()).await;
    let waited_for = start.elapsed();
    let then = world.reject().send().await;

    assert_eq!(
        (first.status, first.header("retry-after")),
        (429, Some("57"))
    );
    refused.is_problem(429, "rate_limited", "no");
    assert_eq!(refused.header("retry-after"), Some("57"));
    assert_eq!(refused.header("gateway-outcome"), Some("refused"));
    assert_eq!(refused.record.get("attempts"), None);
    assert_eq!(
        (other.status, &other.record["duration_us"]),
        (200, &0.into())
    );
    assert_eq!(waited.status, 200);
    let longest = Duration::from_millis(57_400);
    assert!(
        (Duration::from_secs(57)..longest).contains(&waited_for),
        "{waited_for:?}"
    );
    assert_eq!(then.status, 400, "rejected before, and held back no more");
    let intents = world.journal().of_kind("intent");
    let intended: Vec<_> = intents.iter().map(|intent| &intent["call"]).collect();
    let sent = [&first, &other, &waited, &then].map(|answer| &answer.record["call"]);
    assert_eq!(intended, sent);
    assert_eq!(world.sandbox.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn holds_nobody_back_for_longer_than_an_hour() {
    let world = World::new().await;
    once(&world, put_off(429, "99999999999999999999"));
    world.reject().send().await;

    let refused = world.reject().send().await;
    advance(Duration::from_hours(1)).await;
    let then = while_time_flows(&world, world.reject().send()).await;

    refused.is_problem(429, "rate_limited", "no");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    assert_eq!(then.status, 200);
}

#[tokio::test(start_paused = true)]
async fn holds_nobody_back_where_no_time_was_told() {
    for fault in [put_off(429, "soon"), refusal(429, "0"), put_off(503, "57")] {
        let world = World::new().await;
        once(&world, fault);
        world.reject().send().await;

        let then = world.reject().send().await;

        assert_eq!((then.status, &then.record["duration_us"]), (200, &0.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn holds_back_a_look_for_which_there_is_no_time() {
    let world = World::new().await;
    once(&world, Fault::CommitThenSilence);
    once(&world, put_off(429, "57"));

    let answer = while_time_flows(&world, world.reject().send()).await;

    let found = told(&world, &answer);
    assert_eq!(found.sent, "PATCH a no_answer; GET b 429/0");
    assert_eq!(found.answer, "504 failed unknown upstream_timeout");
    assert_eq!(found.transfer, "Reject (1)");
}

fn let_both_customers(config: &mut Config) {
    let rule = config.authorization.rules.first_mut().expect("a rule");
    let customers = [CUSTOMER, OTHER].map(|id| id.parse().expect("guid"));
    rule.customers = Customers::These(BTreeSet::from(customers));
}

fn add_other_transfer(world: &World) {
    world.sandbox.add_transfer(sandbox::Transfer {
        customer: OTHER.to_owned(),
        ..sandbox::Transfer::documented()
    });
}

async fn of_other(world: &World) -> Answer {
    let target = format!("/transfers/{OTHER}/{TRANSFER}/reject");
    world.reject().at(&target).send().await
}

/// There is the time to wait as long as asked.
const FITTING: [Row; 9] = [
    Row {
        when: "429 for seconds that fit",
        given: |world| once(world, put_off(429, "3")),
        sent: "PATCH a 429/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "429 for no time at all",
        given: |world| once(world, put_off(429, "0")),
        sent: "PATCH a 429/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "429 until a time that fits",
        given: |world| once(world, put_off(429, "Sun, 01 Mar 2026 00:00:03 GMT")),
        sent: "PATCH a 429/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "429 until a time in the past",
        given: |world| once(world, put_off(429, "Sat, 28 Feb 2026 23:59:59 GMT")),
        sent: "PATCH a 429/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "429 always, for seconds that fit",
        given: |world| always(world, put_off(429, "3")),
        sent: "PATCH a 429/0; PATCH b 429/0; PATCH c 429/0; PATCH d 429/0",
        answer: "429 forwarded yes again in 3",
        transfer: "Active (0)",
    },
    Row {
        when: "429 again and again, until the time that is left does not do",
        given: |world| always(world, put_off(429, "20")),
        sent: "PATCH a 429/0; PATCH b 429/0; PATCH c 429/0",
        answer: "429 forwarded yes again in 20",
        transfer: "Active (0)",
    },
    Row {
        when: "503 for seconds that fit",
        given: |world| once(world, put_off(503, "3")),
        sent: "PATCH a 503/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "503 until a time that fits",
        given: |world| once(world, put_off(503, "Sun, 01 Mar 2026 00:00:03 GMT")),
        sent: "PATCH a 503/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
    Row {
        when: "503 until nobody knows when",
        given: |world| once(world, put_off(503, "soon")),
        sent: "PATCH a 503/0; PATCH b 200 Reject",
        answer: "200 forwarded yes",
        transfer: "Reject (1)",
    },
];

/// There is not, or nobody knows.
const TOO_LONG: [Row; 7] = [
    Row {
        when: "429 for seconds that do not fit",
        given: |world| once(world, put_off(429, "57")),
        sent: "PATCH a 429/0",
        answer: "429 forwarded yes again in 57",
        transfer: "Active (0)",
    },
    Row {
        when: "429 until a time that does not fit",
        given: |world| once(world, put_off(429, "Sun, 01 Mar 2026 00:00:57 GMT")),
        sent: "PATCH a 429/0",
        answer: "429 forwarded yes again in Sun, 01 Mar 2026 00:00:57 GMT",
        transfer: "Active (0)",
    },
    Row {
        when: "429 for ever",
        given: |world| once(world, put_off(429, "99999999999999999999")),
        sent: "PATCH a 429/0",
        answer: "429 forwarded yes again in 99999999999999999999",
        transfer: "Active (0)",
    },
    Row {
        when: "429 until nobody knows when",
        given: |world| once(world, put_off(429, "soon")),
        sent: "PATCH a 429/0",
        answer: "429 forwarded yes again in soon",
        transfer: "Active (0)",
    },
    Row {
        when: "429 without a word of when",
        given: |world| once(world, refusal(429, "0")),
        sent: "PATCH a 429/0",
        answer: "429 forwarded yes",
        transfer: "Active (0)",
    },
    Row {
        when: "503 for seconds that do not fit",
        given: |world| once(world, put_off(503, "57")),
        sent: "PATCH a 503/0",
        answer: "503 forwarded yes again in 57",
        transfer: "Active (0)",
    },
    Row {
        when: "503 for ever",
        given: |world| once(world, put_off(503, "99999999999999999999")),
        sent: "PATCH a 503/0",
        answer: "503 forwarded yes again in 99999999999999999999",
        transfer: "Active (0)",
    },
];
