//! An upstream that fails for a while: the circuit breaker, the budget of retries, and the deadline.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use partner_gateway::config::Config;
use sandbox::{Fault, Target, Turn};
use tokio::time::{Instant, advance};

use super::{always, always_on, found, once, refusal};
use crate::harness::{World, call::Answer, while_time_flows};

const OPEN_FOR: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn sends_nothing_while_the_circuit_is_open() {
    let world = World::with(one_attempt_and_four_to_open).await;
    let failing = Turn::of(refusal(500, "1")).times(4);
    world.sandbox.push_turn(Target::PartnerCenter, failing);
    for _ in 0..4 {
        let failed = world.reject().send().await;
        assert_eq!(
            (failed.status, failed.header("gateway-outcome")),
            (500, Some("forwarded"))
        );
    }

    let start = Instant::now();
    let at_once = world.reject().send().await;
    advance(Duration::from_millis(3500)).await;
    let later = world.reject().send().await;

    for (refused, again) in [(&at_once, "5"), (&later, "2")] {
        refused.is_problem(503, "circuit_open", "no");
        assert_eq!(refused.header("retry-after"), Some(again));
        assert_eq!(refused.header("gateway-outcome"), Some("refused"));
        assert_eq!(refused.record.get("attempts"), None);
    }
    assert_eq!(
        start.elapsed(),
        Duration::from_millis(3500),
        "without waiting"
    );
    assert_eq!(world.sandbox.seen().len(), 4);
    assert_eq!(world.journal().of_kind("intent").len(), 4);
}

#[tokio::test(start_paused = true)]
async fn probes_with_one_of_many_calls_and_closes_when_it_is_answered() {
    let world = World::with(one_attempt_and_four_to_open).await;
    open(&world).await;
    advance(OPEN_FOR).await;
    once(&world, Fault::Delay { ms: 1000 });

    let many = join_all((0..50).map(|_| world.reject().send()));
    let answers = while_time_flows(&world, many).await;
    let sent = world.sandbox.seen().len();
    let after = join_all((0..50).map(|_| world.reject().send())).await;

    let (probes, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
    assert_eq!((probes.len(), refused.len()), (1, 49));
    for refused in refused {
        refused.is_problem(503, "circuit_open", "no");
        assert_eq!(refused.header("retry-after"), Some("1"));
    }
    assert_eq!(sent, 4 + 1);
    assert!(
        after.iter().all(|answer| answer.status == 400),
        "rejected before"
    );
    assert_eq!(world.sandbox.seen().len(), sent + 50);
}

#[tokio::test(start_paused = true)]
async fn opens_again_where_the_probe_fails() {
    let world = World::with(one_attempt_and_four_to_open).await;
    open(&world).await;

    let mut statuses = Vec::new();
    for fault in [Some(refusal(500, "1")), Some(Fault::DropBefore), None] {
        advance(OPEN_FOR).await;
        if let Some(fault) = fault {
            once(&world, fault);
        }
        let probe = while_time_flows(&world, world.reject().send()).await;
        let next = world.reject().send().await;
        statuses.push((probe.status, next.status));
    }

    assert_eq!(statuses, [(500, 503), (504, 503), (200, 400)]);
}

#[tokio::test(start_paused = true)]
async fn goes_on_looking_but_repeats_nothing_once_the_circuit_opens() {
    let one_to_open = |config: &mut Config| config.upstream.circuit.min_calls = 1;
    let answered = World::with(one_to_open).await;
    once(&answered, refusal(500, "1"));
    let unanswered = World::with(one_to_open).await;
    once(&unanswered, Fault::DropBefore);

    let start = Instant::now();
    let answered = found(&answered, answered.reject()).await;
    let waited = start.elapsed();
    let unanswered = found(&unanswered, unanswered.reject()).await;

    assert_eq!(answered.sent, "PATCH a 500/1");
    assert_eq!(answered.answer, "500 forwarded yes");
    assert_eq!(waited, Duration::ZERO, "for a repeat that may not be");
    let looks = "GET b 200 Active; GET c 200 Active; GET d 200 Active";
    assert_eq!(unanswered.sent, format!("PATCH a no_answer; {looks}"));
    assert_eq!(unanswered.answer, "504 failed unknown upstream_timeout");
}

#[tokio::test(start_paused = true)]
async fn repeats_no_more_than_a_share_of_the_calls() {
    let calls = 200;
    fastrand::seed(1);
    let world = World::with(|config| config.upstream.circuit.min_calls = u32::MAX).await;
    always(&world, refusal(503, "0"));
    let start = Instant::now();

    for _ in 0..calls {
        let answer = while_time_flows(&world, world.reject().send()).await;
        assert_eq!(
            (answer.status, answer.header("gateway-outcome")),
            (503, Some("forwarded"))
        );
    }

    // Ten retries are free in each ten seconds.
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    let sent = world.sandbox.seen().len();
    assert_eq!(sent, calls + calls / 5 + 10);
}

#[tokio::test(start_paused = true)]
async fn ends_in_doubt_at_the_deadline() {
    let eight_seconds = |config: &mut Config| config.deadline = Duration::from_secs(8);
    let unmoved = World::with(eight_seconds).await;
    always_on(&unmoved, Method::PATCH, Fault::Hang);
    let ended = World::with(eight_seconds).await;
    once(&ended, Fault::CommitThenHang);
    let late = World::with(eight_seconds).await;
    let commit_late = Fault::CommitLate {
        reads: 2,
        then: sandbox::Then::Hang,
    };
    once(&late, commit_late);
    let never = World::with(eight_seconds).await;
    once(&never, Fault::Delay { ms: 7000 });

    let unmoved = found(&unmoved, unmoved.reject()).await;
    let ended = found(&ended, ended.reject()).await;
    let late = found(&late, late.reject()).await;
    let never = found(&never, never.reject()).await;

    // A quarter of the time is kept for looking.
    let looks = "GET b 200 Active; GET c 200 Active";
    assert_eq!(
        unmoved.sent,
        format!("PATCH a timeout; {looks}; PATCH a timeout; GET d 200 Active; PATCH a timeout")
    );
    assert_eq!(unmoved.answer, "504 failed unknown upstream_timeout");
    assert_eq!(unmoved.transfer, "Active (0)");
    assert_eq!(ended.sent, "PATCH a timeout; GET b 200 Reject");
    assert_eq!(ended.answer, "200 reconciled yes");
    assert_eq!(
        late.sent,
        format!("PATCH a timeout; {looks}; PATCH a 200 Reject")
    );
    assert_eq!(late.answer, "200 forwarded yes");
    assert_eq!(late.transfer, "Reject (1)");
    assert_eq!(
        never.sent,
        format!("PATCH a timeout; {looks}; PATCH a 200 Reject")
    );
    assert_eq!(never.answer, "200 forwarded yes");
}

/// Has each call make one attempt, of which four that fail open the circuit.
fn one_attempt_and_four_to_open(config: &mut Config) {
    config.upstream.max_attempts = 1.try_into().expect("a number");
    config.upstream.circuit.min_calls = 4;
    config.upstream.circuit.open_for = OPEN_FOR;
}

/// Opens the circuit.
async fn open(world: &World) {
    let failing = Turn::of(refusal(500, "1")).times(4);
    world.sandbox.push_turn(Target::PartnerCenter, failing);
    let failed: Vec<Answer> = join_all((0..4).map(|_| world.reject().send())).await;
    assert!(failed.iter().all(|answer| answer.status == 500));
    assert_eq!(world.reject().send().await.status, 503);
}
