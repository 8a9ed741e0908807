//! Calls that an earlier run left without an outcome: each is closed once, as Partner Center tells it.

use std::{fmt::Write as _, fs, path::Path, task::Poll, time::Duration};

use sandbox::{Fault, Sandbox, Target, Transfer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::{
    harness::{
        CORRELATION, CUSTOMER, World,
        journal::{segments, sha256},
        tempdir, while_time_flows_by,
    },
    metrics::page,
};

#[tokio::test(start_paused = true)]
async fn closes_each_call_once_as_partner_center_tells_it() {
    let (sandbox, dir) = left_open(6, |number, intent| match number {
        3 => intent["operation"] = "transfers.read".into(),
        4 => intent["account"] = "fabrikam".into(),
        5 => intent["partner_tenant"] = CUSTOMER.into(),
        _ => {}
    })
    .await;
    stands(&sandbox, 0, "Reject");
    stands(&sandbox, 1, "Active");

    let world = World::over(sandbox, dir, |_| {}).await;
    closed(&world).await;

    let ended: Vec<_> = endings(&world);
    let text = |value: &'static str| Some(value.to_owned());
    let expected = [
        ("reconciled", "yes", text("Reject"), 1),
        ("failed", "unknown", text("Active"), 3),
        ("failed", "unknown", None, 1),
        ("failed", "no", None, 0),
        ("failed", "unknown", None, 0),
        ("failed", "unknown", None, 0),
    ]
    .map(|(outcome, forwarded, state, looks)| {
        (outcome.to_owned(), forwarded.to_owned(), state, looks)
    });
    assert_eq!(ended, expected);
    let counted = page(&world).await;
    let fates = [("yes", "1"), ("no", "1"), ("unknown", "4")];
    for (forwarded, count) in fates {
        let sample = format!(r#"audit_orphans_closed_total{{forwarded="{forwarded}"}}"#);
        assert_eq!(counted.number(&sample), count, "{forwarded}");
    }
    for request in world.sandbox.seen() {
        let correlation = ("ms-correlationid".to_owned(), CORRELATION.to_owned());
        assert_eq!(request.method, "GET");
        assert!(request.headers.contains(&correlation), "{request:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn tells_of_a_closed_call_what_its_intent_tells_and_no_answer() {
    let (sandbox, dir) = left_open(1, |_, _| {}).await;
    stands(&sandbox, 0, "Reject");

    let world = World::over(sandbox, dir, |_| {}).await;
    closed(&world).await;

    let intents = world.journal().of_kind("intent");
    let closings = world.journal().of_kind("outcome");
    let ([intent], [closing]) = (&intents[..], &closings[..]) else {
        panic!("{closings:?}")
    };
    for same in [
        "call",
        "operation",
        "customer",
        "transfer",
        "principal",
        "auth",
        "peer",
        "reason",
        "account",
        "partner_tenant",
        "flow",
        "correlation_id",
        "trace_id",
        "decision",
        "rule",
        "policy",
    ] {
        assert!(intent.get(same).is_some(), "{same}");
        assert_eq!(intent[same], closing[same], "{same}");
    }
    assert_ne!(intent["boot"], closing["boot"]);
    for absent in [
        "status",
        "code",
        "body_sha256",
        "duration_us",
        "request_ids",
    ] {
        assert_eq!(closing.get(absent), None, "{absent}");
    }
    assert_eq!(closing["attempts"][0]["status"], 200);
}

#[tokio::test(start_paused = true)]
async fn believes_at_once_what_it_sees_of_a_call_that_can_not_be_under_way() {
    let (sandbox, dir) = left_open(1, |_, intent| {
        intent["time"] = "2026-02-28T23:58:00.000000Z".into();
    })
    .await;
    stands(&sandbox, 0, "Active");

    let world = World::over(sandbox, dir, |_| {}).await;
    closed(&world).await;

    assert_eq!(endings(&world)[0].3, 1, "looks");
}

#[tokio::test(start_paused = true)]
async fn sees_a_rejection_that_becomes_visible_late() {
    let (sandbox, dir) = left_open(1, |_, _| {}).await;
    stands(&sandbox, 0, "Active");
    let world = World::over(sandbox.clone(), dir, |_| {}).await;

    let seeing = async {
        while sandbox.seen().is_empty() {
            tokio::task::yield_now().await;
        }
        stands(&sandbox, 0, "Reject");
    };
    let closing = async { tokio::join!(world.gateway.close_orphans(), seeing) };
    while_time_flows_by(&world, || Duration::from_millis(100), closing).await;

    let (outcome, forwarded, ..) = endings(&world).remove(0);
    assert_eq!((&*outcome, &*forwarded), ("reconciled", "yes"));
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_end_of_an_outage() {
    for down in ["api.test", "login.test", "both"] {
        let (sandbox, dir) = left_open(20, |_, _| {}).await;
        (0..20).for_each(|number| stands(&sandbox, number, "Reject"));
        let world = World::over(sandbox, dir, |_| {}).await;
        match down {
            "both" => world.cut_network(true),
            host => world.network.refuse(host, 10),
        }
        let mended = Instant::now() + Duration::from_mins(30);

        let mending = async {
            tokio::time::sleep_until(mended).await;
            let open = endings(&world).len();
            world.cut_network(false);
            open
        };
        let closing = async { tokio::join!(world.gateway.close_orphans(), mending) };
        let ((), open) = while_time_flows_by(&world, || Duration::from_secs(5), closing).await;

        assert!(down != "both" || open == 0, "{down}: closed without a look");
        let ended = endings(&world);
        assert_eq!(ended.len(), 20);
        for (outcome, forwarded, state, _) in ended {
            let told = (&*outcome, &*forwarded, state.as_deref());
            assert_eq!(told, ("reconciled", "yes", Some("Reject")), "{down}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn closes_the_calls_of_one_account_while_another_hangs() {
    let (sandbox, dir) = left_open(9, |number, intent| {
        if number < 8 {
            intent["account"] = "fabrikam".into();
        }
    })
    .await;
    stands(&sandbox, 8, "Reject");
    let world = World::over(sandbox, dir, |config| {
        let mut hung = config.accounts[0].clone();
        hung.name = "fabrikam".to_owned();
        hung.api = "https://hung.test".parse().unwrap();
        config.accounts.push(hung);
    })
    .await;
    world.network.hang("hung.test");
    let began = Instant::now();

    let first = async {
        while endings(&world).is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        world.network.waiting()
    };
    let closing = async {
        tokio::select! {
            waiting = first => waiting,
            () = world.gateway.close_orphans() => panic!("none can be closed but one"),
        }
    };
    let waiting = while_time_flows_by(&world, || Duration::from_secs(1), closing).await;

    assert!(
        began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(waiting, 4, "looks through the other account");
    let (outcome, _, state, _) = endings(&world).remove(0);
    assert_eq!(
        (&*outcome, state.as_deref()),
        ("reconciled", Some("Reject"))
    );
}

#[tokio::test(start_paused = true)]
async fn gives_up_after_an_hour_and_says_that_nobody_knows() {
    let (sandbox, dir) = left_open(1, |_, _| {}).await;
    let world = World::over(sandbox, dir, |_| {}).await;
    let reset = |_| {
        let fault = Fault::ResetAfter;
        world.sandbox.push_fault(Target::PartnerCenter, fault);
    };
    (0..1000).for_each(reset);
    let began = Instant::now();

    closed(&world).await;

    let minutes = began.elapsed().as_secs() / 60;
    assert!((60..=61).contains(&minutes), "{minutes}");
    assert!(world.sandbox.seen().len() > 8);
    let told = ("failed".to_owned(), "unknown".to_owned(), None, 8);
    assert_eq!(endings(&world), [told], "the last looks alone");
}

#[tokio::test(start_paused = true)]
async fn closes_each_call_once_wherever_the_next_run_breaks_off() {
    for polls in 0..60 {
        let (sandbox, dir) = left_open(6, |_, _| {}).await;
        (0..6).for_each(|number| stands(&sandbox, number, "Reject"));
        let world = World::over(sandbox, dir, |_| {}).await;
        close_for(&world, polls).await;
        let (sandbox, dir) = crash(world).await;

        let world = World::over(sandbox, dir, |_| {}).await;
        closed(&world).await;

        let ended = endings(&world);
        assert_eq!(ended.len(), 6, "broken off after {polls} polls");
        assert!(ended.iter().all(|it| it.0 == "reconciled"), "{ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn serves_callers_while_ten_thousand_calls_are_open() {
    let (sandbox, dir) = left_open(10_000, |_, _| {}).await;
    (0..10_000).for_each(|number| stands(&sandbox, number, "Reject"));
    let world = World::over(sandbox, dir, |_| {}).await;

    let calling = async {
        let answer = world.reject().send().await;
        (answer.status, world.journal().outcomes())
    };
    let both = async { tokio::join!(calling, world.gateway.close_orphans()) };
    let ((status, before), ()) =
        while_time_flows_by(&world, || Duration::from_millis(20), both).await;

    assert_eq!(status, 400, "the documented transfer had been rejected");
    assert!(before < 1000, "the caller waited for {before} records");
    assert_eq!(world.journal().outcomes(), 10_001);
    let (sandbox, dir) = world.end().await;
    let asked = sandbox.seen().len();
    let world = World::over(sandbox, dir, |_| {}).await;
    closed(&world).await;
    assert_eq!(world.sandbox.seen().len(), asked, "none is closed again");
}

/// Closes what is open for a while only.
async fn close_for(world: &World, polls: usize) {
    let mut closing = std::pin::pin!(world.gateway.close_orphans());
    for _ in 0..polls {
        if let Poll::Ready(()) = futures_util::poll!(closing.as_mut()) {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Ends a gateway without a word. What it had handed to its audit thread comes to the disk first: unlike a
/// kill, the end of a gateway in memory is not the end of its threads.
async fn crash(world: World) -> (Sandbox, TempDir) {
    world.gateway.journal().settle().await.unwrap();
    let World { sandbox, dir, .. } = world;
    (sandbox, dir)
}

/// Closes what is open, in a time that flows.
async fn closed(world: &World) {
    let closing = world.gateway.close_orphans();
    while_time_flows_by(world, || Duration::from_secs(1), closing).await;
}

/// How the closed calls ended, in the order of their intents: outcome, forwarded, state, number of looks.
fn endings(world: &World) -> Vec<(String, String, Option<String>, usize)> {
    let mut closings = world.journal().of_kind("outcome");
    closings.retain(|record| record.get("status").is_none());
    closings.sort_by_key(|record| record["call"].as_str().unwrap().to_owned());
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    closings
        .iter()
        .map(|record| {
            (
                text(&record["outcome"]).unwrap(),
                text(&record["forwarded"]).unwrap(),
                text(&record["transfer_status"]),
                record["attempts"].as_array().map_or(0, Vec::len),
            )
        })
        .collect()
}

/// A sandbox, and a journal in which so many calls were left open a moment ago.
async fn left_open(count: usize, change: impl Fn(usize, &mut Value)) -> (Sandbox, TempDir) {
    let world = World::new().await;
    let reason = r#"{"reason":"duplicate request"}"#;
    let call = world.reject().header("MS-CorrelationId", CORRELATION);
    call.json(reason).send().await;
    let (sandbox, dir) = world.end().await;
    sandbox.forget_seen();
    let whole = fs::read_to_string(&segments(dir.path())[0]).unwrap();
    let records: Vec<Value> = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let left = in_memory();
    let id = "journal.id";
    fs::copy(dir.path().join(id), left.path().join(id)).unwrap();
    let intents = (0..count).map(|number| {
        let mut intent = records[1].clone();
        intent["call"] = format!("00000000-0000-7000-8000-{number:012x}").into();
        intent["transfer"] = transfer(number).into();
        change(number, &mut intent);
        intent
    });
    write(
        left.path(),
        std::iter::once(records[0].clone()).chain(intents),
    );
    (sandbox, left)
}

/// Writes records as a journal, numbered and chained.
fn write(dir: &Path, records: impl Iterator<Item = Value>) {
    let mut text = String::new();
    let mut prev = "0".repeat(64);
    for (seq, mut record) in (1..).zip(records) {
        record["seq"] = seq.into();
        record["prev"] = prev.into();
        let line = record.to_string();
        prev = sha256(&line);
        writeln!(text, "{line}").unwrap();
    }
    fs::write(dir.join("journal-00000000000000000001.jsonl"), text).unwrap();
}

fn transfer(number: usize) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

fn stands(sandbox: &Sandbox, number: usize, status: &str) {
    sandbox.add_transfer(Transfer {
        id: transfer(number),
        status: status.to_owned(),
        ..Transfer::documented()
    });
}

/// A directory whose syncs cost nothing.
fn in_memory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempdir())
}
