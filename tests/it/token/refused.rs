//! Tokens that Partner Center refuses, and a token endpoint that is down meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox::{Fault, Settings, Target};
use serde_json::json;

use crate::harness::{World, call::Answer, issuer::Issuer, served::until};

#[tokio::test(start_paused = true)]
async fn fetches_no_token_per_call_where_partner_center_refuses_every_one() {
    let world = World::new().await;
    for _ in 0..100 {
        world.sandbox.push_fault(Target::PartnerCenter, status(401));
    }
    let fetched = || world.sandbox.token_requests().len();

    for _ in 0..20 {
        let refused = world.reject().send().await;
        refused.is_problem(502, "upstream_unauthorized", "yes");
    }
    let (soon, sent) = (fetched(), world.sandbox.seen().len());
    tokio::time::advance(Duration::from_secs(30)).await;
    for _ in 0..20 {
        world.reject().send().await;
    }

    assert_eq!((soon, sent), (2, 21), "the first call alone is repeated");
    assert_eq!((fetched(), world.sandbox.seen().len()), (3, 42));
}

#[tokio::test(start_paused = true)]
async fn fetches_no_token_per_call_where_every_one_lacks_a_second_factor() {
    let world = World::new().await;
    for _ in 0..100 {
        world.sandbox.push_fault(Target::PartnerCenter, no_mfa());
    }
    let fetched = || world.sandbox.token_requests().len();

    for _ in 0..20 {
        let refused = world.reject().send().await;
        refused.is_problem(502, "upstream_unauthorized", "yes");
    }
    let soon = fetched();
    tokio::time::advance(Duration::from_secs(30)).await;
    for _ in 0..20 {
        world.reject().send().await;
    }

    assert_eq!((soon, fetched()), (2, 3));
    assert_eq!(world.sandbox.seen().len(), 40, "none is repeated");
}

#[tokio::test(start_paused = true)]
async fn serves_on_with_a_token_that_lacked_a_second_factor_once_while_no_other_can_be_had() {
    let world = World::new().await;
    let first = world.reject().send().await;
    take_down(&world);
    world.sandbox.push_fault(Target::PartnerCenter, no_mfa());
    let refused = world.reject().send().await;
    refused.is_problem(502, "upstream_unauthorized", "yes");

    for _ in 0..10 {
        let served = world.reject().send().await;

        assert_eq!(served.status, 400, "the transfer has ended");
        assert_eq!(
            served.record["attempts"][0]["token"],
            first.record["attempts"][0]["token"]
        );
        tokio::time::advance(Duration::from_mins(1)).await;
    }
    assert_eq!(world.sandbox.seen().len(), 12);
}

#[tokio::test(start_paused = true)]
async fn fetches_one_token_for_a_thousand_calls_that_meet_a_stale_one() {
    let world = World::new().await;
    world.reject().send().await;
    world.network.hang("api.test");
    // The later half hear of their stale token when the other half have got the next one.
    for number in 0..1000 {
        let late = Fault::Delay { ms: 500 };
        let fault = if number < 500 { Fault::Pass } else { late };
        world.sandbox.push_fault(Target::PartnerCenter, fault);
    }
    let calls = join_all((0..1000).map(|_| world.reject().send_among_many()));
    let refuse = async {
        until(|| world.network.waiting() == 1000).await;
        world.sandbox.revoke_tokens();
        world.network.resume("api.test");
        let first_and_repeated = 1 + 1000 + 500;
        until(|| world.sandbox.seen().len() == first_and_repeated).await;
        tokio::time::advance(Duration::from_millis(500)).await;
    };

    let (answers, ()) = tokio::join!(calls, refuse);

    assert!(
        answers.iter().all(|answer| answer.status == 400),
        "the transfer has ended"
    );
    assert_eq!(world.sandbox.token_requests().len(), 2);
    assert_eq!(world.sandbox.seen().len(), 1 + 2 * 1000);
}

#[tokio::test(start_paused = true)]
async fn fails_none_of_ten_thousand_calls_while_the_token_endpoint_is_down_for_ten_minutes() {
    let world = World::new().await;
    world.reject().send().await;
    tokio::time::advance(Duration::from_mins(44)).await;
    take_down(&world);

    let mut failed = 0;
    for _ in 0..200 {
        tokio::time::advance(Duration::from_secs(3)).await;
        let answers = join_all((0..50).map(|_| world.reject().send_among_many())).await;
        failed += answers.iter().filter(|answer| answer.status != 400).count();
    }

    assert_eq!(failed, 0);
    assert_eq!(world.sandbox.seen().len(), 10_001);
}

#[tokio::test(start_paused = true)]
async fn comes_back_within_one_step_when_the_token_endpoint_does() {
    let world = World::new().await;
    world.reject().send().await;
    take_down(&world);
    for _ in 0..70 {
        tokio::time::advance(Duration::from_mins(1)).await;
        world.reject().send().await;
    }
    let sent = world.sandbox.seen().len();
    let expired = world.reject().send().await;
    expired.is_problem(503, "token_unavailable", "no");
    assert_eq!(world.sandbox.seen().len(), sent);

    world.network.host_no_more("login.test");
    let mut waited = 0;
    while world.reject().send().await.status == 503 {
        tokio::time::advance(Duration::from_secs(1)).await;
        waited += 1;
    }

    assert!(waited <= 72, "a minute and a fifth, not {waited} s");
    assert_eq!(world.sandbox.seen().len(), sent + 1);
}

#[tokio::test(start_paused = true)]
async fn waits_longer_after_each_failure_and_shortly_in_the_next_outage() {
    let world = World::new().await;
    take_down(&world);
    for shortest in [5, 10, 20, 40, 60, 60, 60] {
        let wait = wait(&world.reject().send().await);
        let longest = shortest + shortest / 5;
        assert!((shortest..=longest).contains(&wait), "{shortest}: {wait}");
        tokio::time::advance(Duration::from_mins(2)).await;
    }
    world.network.host_no_more("login.test");
    assert_eq!(world.reject().send().await.status, 200);

    take_down(&world);
    tokio::time::advance(Duration::from_mins(61)).await;
    let wait = wait(&world.reject().send().await);

    assert!((5..=6).contains(&wait), "the first step, not {wait} s");
}

/// How long a caller is told to wait for a token.
fn wait(refused: &Answer) -> u64 {
    refused.is_problem(503, "token_unavailable", "no");
    refused.header("retry-after").unwrap().parse().unwrap()
}

fn status(status: u16) -> Fault {
    with_body(status, None)
}

/// Partner Center's word on a token that was had without a second factor.
fn no_mfa() -> Fault {
    with_body(401, Some(r#"{"code":"900421"}"#.to_owned()))
}

fn with_body(status: u16, body: Option<String>) -> Fault {
    Fault::Status {
        status,
        body,
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

/// Has the token endpoint answer 503 from now on.
fn take_down(world: &World) {
    let login = Issuer::default();
    let path = format!("/{}/oauth2/v2.0/token", Settings::default().tenant);
    login.answer(&path, 503, &json!({}));
    world.network.host("login.test", login);
}
