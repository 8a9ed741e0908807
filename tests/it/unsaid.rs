//! What Partner Center has answered stays answered, whatever goes wrong when it is asked again.

use http::Method;
use sandbox::{Fault, Target, Turn};

use crate::harness::{CUSTOMER, TRANSFER, World, call::Answer, while_time_flows};

#[tokio::test(start_paused = true)]
async fn stays_with_an_answer_when_it_cannot_connect_again() {
    let world = denying_and_showing_active(3).await;

    world.cut_network_after(4);
    let answer = while_time_flows(&world, world.reject().send()).await;

    is_passed_on(&world, &answer);
    let attempts = answer.record["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.last().expect("one")["error"], "connect");
}

#[tokio::test(start_paused = true)]
async fn knows_no_more_when_it_may_not_look_again() {
    let world = denying_and_showing_active(1).await;
    let throttled = Fault::Status {
        status: 429,
        body: None,
        content_type: None,
        retry_after: Some("100".to_owned()),
        headers: vec![],
    };
    let turn = Turn::of(throttled).on(Method::GET);
    world.sandbox.push_turn(Target::PartnerCenter, turn);

    let answer = while_time_flows(&world, world.reject().send()).await;

    answer.is_problem(504, "upstream_timeout", "unknown");
    assert_eq!(world.sandbox.seen().len(), 3);
}

/// A world whose Partner Center rejects and says 504, and shows the transfer as active so many times.
async fn denying_and_showing_active(times: u64) -> World {
    let world = World::new().await;
    let denied = Fault::CommitThen {
        status: 504,
        body: None,
        content_type: None,
        retry_after: None,
        headers: vec![],
    };
    let active = Fault::WrongStatus {
        status: "Active".to_owned(),
    };
    for turn in [
        Turn::of(denied).on(Method::PATCH),
        Turn::of(active).on(Method::GET).times(times),
    ] {
        world.sandbox.push_turn(Target::PartnerCenter, turn);
    }
    world
}

fn is_passed_on(world: &World, answer: &Answer) {
    let status = world.sandbox.transfer_status(CUSTOMER, TRANSFER);
    assert_eq!(status.as_deref(), Some("Reject"));
    assert_eq!(answer.status, 504, "{}", answer.record);
    assert_eq!(
        answer.header("gateway-outcome"),
        Some("forwarded"),
        "{}",
        answer.record
    );
    assert_eq!(answer.record["forwarded"], "yes");
}
