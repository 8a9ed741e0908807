//! Calls that come while another one is under way under their key.

use std::{io, time::Duration};

use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use partner_gateway::front::exchange::Body;
use sandbox::Target;
use serde_json::json;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use super::{allow_more, is_replayed, keyed, push_delay, stranger, until_hanging, until_sent};
use crate::harness::{TRANSFER, World};

#[tokio::test(start_paused = true)]
async fn makes_one_call_for_a_thousand_that_come_at_once() {
    let world = World::with(|config| {
        config.server.max_in_flight = 8;
        config.server.max_connections = 2000;
    })
    .await;
    push_delay(&world);

    let answers = join_all((0..1000).map(|_| keyed(&world).send_among_many()));
    let (answers, ()) = tokio::join!(answers, once_sent(&world));

    let journal = world.journal();
    let records: Vec<_> = answers
        .iter()
        .map(|it| journal.outcome(it.audit_id()))
        .collect();
    let first: Vec<_> = answers
        .iter()
        .filter(|it| it.header("gateway-outcome") == Some("forwarded"))
        .collect();
    assert_eq!(world.sandbox.seen().len(), 1);
    assert_eq!(journal.of_kind("intent").len(), 1);
    assert_eq!((answers.len(), first.len()), (1000, 1));
    for (answer, record) in answers.iter().zip(records) {
        assert_eq!((answer.status, &answer.body), (200, &first[0].body));
        assert_eq!(record["forwarded"], "yes");
        assert_eq!(record["outcome"].as_str(), answer.header("gateway-outcome"));
    }
    let replayed = answers.iter().filter(|it| it.is_replayed()).count();
    assert_eq!(replayed, 999);
}

#[tokio::test(start_paused = true)]
async fn needs_no_place_in_flight_to_wait() {
    let world = World::with(|config| {
        allow_more(config);
        config.server.max_in_flight = 3;
    })
    .await;
    push_delay(&world);

    let repeats = join_all((0..10).map(|_| keyed(&world).send()));
    let other = async {
        until_sent(&world, 1).await;
        let other = stranger(&world).send().await;
        tokio::time::advance(Duration::from_secs(2)).await;
        other
    };
    let (repeats, other) = tokio::join!(repeats, other);

    assert_eq!(other.header("gateway-outcome"), Some("forwarded"));
    let replayed = repeats.iter().filter(|it| it.is_replayed()).count();
    assert_eq!((repeats.len(), replayed), (10, 9));
    assert!(repeats.iter().all(|it| it.body == repeats[0].body));
}

#[tokio::test(start_paused = true)]
async fn lets_another_caller_in_while_one_has_all_the_room_for_waiting() {
    let world = World::with(|config| {
        allow_more(config);
        config.server.max_connections = 8;
        config.server.max_in_flight = 8;
    })
    .await;
    push_delay(&world);
    push_delay(&world);

    let one = join_all((0..8).map(|_| keyed(&world).send()));
    let other = async {
        until_sent(&world, 1).await;
        join_all([stranger(&world).send(), stranger(&world).send()]).await
    };
    let passing = async {
        until_sent(&world, 2).await;
        once_sent(&world).await;
    };
    let (one, other, ()) = tokio::join!(one, other, passing);

    let (answered, shed): (Vec<_>, Vec<_>) = one.iter().partition(|it| it.status == 200);
    assert_eq!(
        (answered.len(), shed.len()),
        (6, 2),
        "one is made, five wait"
    );
    for shed in shed {
        shed.is_problem(503, "overloaded", "no");
    }
    assert_eq!(other.iter().filter(|it| it.is_replayed()).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn tells_that_the_first_is_still_under_way_at_the_deadline() {
    let world =
        World::with(|config| config.upstream.attempt_timeout = Duration::from_secs(55)).await;
    world.network.hang("api.test");
    // Its time runs from its first byte on, so it runs out before the other call's.
    let (end_body, ended) = oneshot::channel();
    let slow = keyed(&world).streamed(body_when(ended)).send();

    let later = async {
        settle().await;
        tokio::time::advance(Duration::from_secs(3)).await;
        keyed(&world).send().await
    };
    let passing = async {
        until_hanging(&world).await;
        end_body.send(()).unwrap();
        settle().await;
        tokio::time::advance(Duration::from_secs(52)).await;
        settle().await;
        tokio::time::advance(Duration::from_secs(3)).await;
    };
    let (repeat, first, ()) = tokio::join!(slow, later, passing);

    repeat.is_problem(409, "idempotency_in_progress", "no");
    assert_eq!(repeat.header("gateway-outcome"), Some("refused"));
    assert_eq!(repeat.record["decision"], "allowed");
    first.is_problem(504, "upstream_timeout", "unknown");
    assert_eq!(world.journal().of_kind("intent").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn refuses_another_request_while_the_first_is_under_way() {
    let world = World::with(allow_more).await;
    push_delay(&world);

    let mismatch = async {
        until_sent(&world, 1).await;
        let other = format!("/transfers/11111111-2222-4333-8444-555555555555/{TRANSFER}/reject");
        let began = tokio::time::Instant::now();
        let mismatch = keyed(&world).at(&other).send().await;
        let waited = began.elapsed();
        tokio::time::advance(Duration::from_secs(2)).await;
        (mismatch, waited)
    };
    let (first, (mismatch, waited)) = tokio::join!(keyed(&world).send(), mismatch);

    mismatch.is_problem(422, "idempotency_mismatch", "no");
    assert_eq!(waited, Duration::ZERO);
    assert_eq!(first.status, 200);
}

#[tokio::test(start_paused = true)]
async fn lets_the_next_make_the_call_when_the_first_is_cut_off() {
    let world = World::with(|config| config.server.deadline = Duration::from_secs(10)).await;
    world.network.hang("api.test");

    let first = keyed(&world).send();
    let later = async {
        until_hanging(&world).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        join_all((0..3).map(|_| keyed(&world).send())).await
    };
    let passing = async {
        until_hanging(&world).await;
        settle().await;
        tokio::time::advance(Duration::from_secs(5)).await;
        while world.journal().of_kind("intent").len() < 2 {
            tokio::task::yield_now().await;
        }
        world.network.resume("api.test");
    };
    let (first, later, ()) = tokio::join!(first, later, passing);

    first.is_problem(504, "upstream_timeout", "unknown");
    let (made, replayed): (Vec<_>, Vec<_>) = later.iter().partition(|it| !it.is_replayed());
    assert_eq!((made.len(), replayed.len()), (1, 2));
    assert_eq!(made[0].status, 200);
    for answer in replayed {
        is_replayed(answer, made[0]);
    }
    assert_eq!(world.journal().of_kind("intent").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn lets_each_have_its_turn_while_none_is_forwarded() {
    let world = World::new().await;
    world.network.hang("login.test");

    let refused =
        json!({"fault": "status", "status": 401, "body": r#"{"error":"invalid_client"}"#});
    let refused = serde_json::from_value(refused).unwrap();

    let calls = join_all((0..3).map(|_| keyed(&world).send()));
    let refusing = async {
        until_hanging(&world).await;
        world.sandbox.push_fault(Target::Token, refused);
        world.network.resume("login.test");
    };
    let (answers, ()) = tokio::join!(calls, refusing);

    for answer in &answers {
        answer.is_problem(503, "token_unavailable", "no");
        assert_eq!(answer.header("gateway-outcome"), Some("failed"));
    }
    assert_eq!(world.journal().of_kind("intent").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn leaves_nobody_waiting_for_a_call_that_panicked() {
    let world = World::with(|config| {
        let account = config.accounts.first_mut().unwrap();
        // The harness's network panics on a host that it does not know.
        account.api = "https://elsewhere.test".parse().unwrap();
    })
    .await;

    let answers = join_all((0..3).map(|_| keyed(&world).send())).await;

    for answer in answers {
        answer.is_problem(500, "internal", "unknown");
    }
}

#[tokio::test(start_paused = true)]
async fn keeps_the_answer_for_a_caller_who_has_hung_up() {
    let world = World::new().await;
    push_delay(&world);

    let mut first = world.gateway.stack().oneshot(keyed(&world).arrival());
    while world.sandbox.seen().is_empty() {
        assert!(futures_util::poll!(&mut first).is_pending());
        tokio::task::yield_now().await;
    }
    drop(first);
    let (repeat, ()) = tokio::join!(keyed(&world).send(), once_sent(&world));
    let again = keyed(&world).send().await;

    assert_eq!(repeat.status, 200);
    assert!(repeat.is_replayed());
    is_replayed(&again, &repeat);
    assert_eq!(world.sandbox.seen().len(), 1);
    assert_eq!(world.journal().of_kind("outcome").len(), 3);
}

/// An empty body, which ends only when it is told to.
fn body_when(told: oneshot::Receiver<()>) -> Body {
    let end = stream::once(told).map(|_| Ok::<_, io::Error>(Frame::data(Bytes::new())));
    StreamBody::new(end).boxed_unsync()
}

/// Waits for a request upstream, and then lets two seconds pass.
async fn once_sent(world: &World) {
    until_sent(world, 1).await;
    settle().await;
    tokio::time::advance(Duration::from_secs(2)).await;
}

/// Lets every call go as far as it can without time or disk.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}
