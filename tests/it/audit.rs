//! The journal: what stands in it, and what a restart makes of what it finds.

mod checkpoints;
mod retaining;
mod room;
mod segments;
pub(crate) mod start;

use std::{convert::Infallible, fs, future::ready, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use partner_gateway::{
    audit::{Durability, journal::Journal, recovery::OpenError, start_error::StartError},
    front::{
        audited::{Audited, Books},
        entry::Entry,
        exchange::{Arrival, Exchange, Peer},
        problem::{Forwarded, Outcome, Problem},
        reply::Reply,
    },
    shutdown::Tasks,
};
use serde_json::Value;
use tower::{ServiceExt as _, service_fn};

use self::start::start;
use crate::harness::{CORRELATION, Standstill, World, call::whole, journal, tempdir};

#[tokio::test(start_paused = true)]
async fn writes_the_records_of_a_call_in_the_order_of_the_contract() {
    let world = World::new().await;

    let reason = r#"{"reason":"duplicate request"}"#;
    world
        .reject()
        .header("MS-CorrelationId", CORRELATION)
        .json(reason)
        .send()
        .await;

    let lines = fs::read_to_string(&journal::segments(world.dir.path())[0]).unwrap();
    let shapes: Vec<String> = lines.lines().map(shape).collect();
    insta::assert_snapshot!(shapes.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn goes_on_where_the_last_run_ended() {
    let world = World::new().await;
    world.reject().send().await;
    let (sandbox, dir) = world.end().await;

    let world = World::over(sandbox, dir, |_| {}).await;
    world.reject().send().await;

    let kinds = kinds_of(world.journal());
    assert_eq!(
        kinds,
        [
            "started",
            "intent",
            "outcome",
            "stopped",
            "checkpoint",
            "started",
            "intent",
            "outcome"
        ]
    );
    let records = world.journal().records();
    assert_eq!(records[0]["journal"], records[7]["journal"]);
    assert_ne!(records[0]["boot"], records[7]["boot"]);
}

#[tokio::test(start_paused = true)]
async fn cuts_a_torn_tail_off_and_tells_it() {
    let torn = [
        "{",
        "x",
        r#"{"v":1,"seq":"#,
        "\u{0}\u{0}\u{0}\n",
        "{}\n",
        "\n",
    ];
    for torn in torn {
        let world = World::new().await;
        world.reject().send().await;
        let (sandbox, dir) = world.end().await;
        let segment = journal::segments(dir.path()).remove(0);
        let whole = fs::read(&segment).unwrap();
        fs::write(&segment, [&whole[..], torn.as_bytes()].concat()).unwrap();

        let world = World::over(sandbox, dir, |_| {}).await;
        world.reject().send().await;

        let recovered = world.journal().of_kind("recovered");
        let [recovered] = &recovered[..] else {
            panic!("one recovery for {torn:?}")
        };
        assert_eq!(recovered["cut"]["bytes"], torn.len());
        assert_eq!(recovered["cut"]["sha256"], journal::sha256(torn));
        let kept = world
            .dir
            .path()
            .join(recovered["cut"]["file"].as_str().unwrap());
        assert_eq!(fs::read(kept).unwrap(), torn.as_bytes());
    }
}

#[tokio::test(start_paused = true)]
async fn loses_no_whole_record_wherever_the_last_one_is_torn() {
    let world = World::new().await;
    world.reject().send().await;
    let (_, dir) = world.end().await;
    let segment = journal::segments(dir.path()).remove(0);
    let whole = fs::read(&segment).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;

    for end in last..whole.len() {
        let copy = tempdir_in_memory();
        fs::copy(
            dir.path().join("journal.id"),
            copy.path().join("journal.id"),
        )
        .unwrap();
        let torn = copy.path().join(segment.file_name().unwrap());
        fs::write(&torn, &whole[..end]).unwrap();

        drop(start(copy.path()).await.expect("starts"));

        let journal = journal::Journal::of(copy.path());
        journal.read_on();
        let left: Vec<Value> = journal.records();
        assert_eq!(left[2]["kind"], "outcome");
        assert_eq!(left[3]["kind"], "stopped");
        assert_eq!(left[4]["kind"], "started");
    }
}

#[tokio::test(start_paused = true)]
async fn refuses_to_start_on_damage_that_is_no_torn_tail() {
    let world = World::new().await;
    for _ in 0..3 {
        world.reject().send().await;
    }
    let (_, dir) = world.end().await;
    let segment = journal::segments(dir.path()).remove(0);
    let whole = fs::read_to_string(&segment).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let without = |index: usize| {
        let mut lines = lines.clone();
        lines.remove(index);
        lines.join("\n") + "\n"
    };
    let mut swapped = lines.clone();
    swapped.swap(2, 3);

    for damaged in [
        whole.replacen("billing", "drillin", 1),
        without(3),
        without(0),
        without(lines.len() - 2),
        lines
            .join("\n")
            .replace("\"kind\":\"stopped\"", "\"kind\":\"started\"")
            + "\n"
            + lines[0]
            + "\n",
        swapped.join("\n") + "\n",
        whole.replacen('{', "x", 1),
    ] {
        fs::write(&segment, &damaged).unwrap();

        let error = start(dir.path()).await.expect_err("refuses");

        let StartError::Open(OpenError::Damaged { source, .. }) = error else {
            panic!("{error}")
        };
        assert_ne!(source.seq(), 0, "{source}");
        assert_eq!(
            fs::read_to_string(&segment).unwrap(),
            damaged,
            "nothing is repaired"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn has_one_process_at_a_time() {
    let world = World::new().await;

    let error = start(world.dir.path()).await.expect_err("locked");

    assert!(
        matches!(error, StartError::Open(OpenError::Locked { .. })),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn writes_without_waiting_for_the_disk_where_that_is_asked_for() {
    let world = World::with(|config| {
        let flush_interval = Duration::from_secs(1);
        config.audit.durability = Durability::Relaxed { flush_interval };
    })
    .await;

    assert_eq!(world.reject().send().await.status, 200);
    let (_, dir) = world.end().await;

    let journal = journal::Journal::of(dir.path());
    journal.read_on();
    assert_eq!(journal.last_kinds(), ["stopped", "checkpoint"]);
}

#[tokio::test(start_paused = true)]
async fn keeps_a_record_within_its_bound() {
    let name = "n".repeat(256);
    let world = World::with(|config| {
        let file = format!("{name}:{}\n", journal::sha256("t"));
        config.identity.token_file =
            Some(partner_gateway::identity::token_file::TokenFile::parse(&file).unwrap());
        let rule = config.authorization.rules.first_mut().unwrap();
        rule.principals = vec![name.clone()];
        rule.name = "\u{1F600}".repeat(128);
    })
    .await;
    let longest = format!(r#"{{"reason":"{}"}}"#, "\\u0001".repeat(512));

    let answer = world
        .reject()
        .without("authorization")
        .token("t")
        .json(&longest)
        .send()
        .await;

    assert_eq!(answer.status, 200);
}

#[tokio::test(start_paused = true)]
async fn tells_nothing_about_calls_that_did_not_come_to_it() {
    let world = World::new().await;

    let answer = world.reject().at("/nowhere").send().await;

    assert_eq!(answer.record["principal"], "billing");
    for absent in ["account", "rule", "attempts", "customer", "operation"] {
        assert_eq!(answer.record.get(absent), None, "{absent}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_a_record_even_where_recording_panics() {
    let dir = tempdir();
    let journal = start(dir.path()).await.unwrap();
    // So full that the headers which every answer carries find no room.
    let mut headers = HeaderMap::new();
    let name = |index: u32| HeaderName::try_from(format!("x-{index}")).unwrap();
    let value = HeaderValue::from_static("");
    let filled = (0..).take_while(|index| headers.try_insert(name(*index), value.clone()).is_ok());
    assert!(filled.count() > 1000);
    let overfull = Reply::PassedOn {
        outcome: Outcome::Forwarded,
        status: StatusCode::OK,
        headers,
        body: Bytes::new(),
    };

    let (status, named) = answered(&journal, overfull).await;
    journal.stop().await.unwrap();

    assert_eq!(status, 500);
    let journal = journal::Journal::of(dir.path());
    journal.read_on();
    let told = ((named, "internal".to_owned()), 1);
    assert_eq!(journal.summed_up(), [told].into());
    assert_eq!(journal.of_kind("outcome").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn sums_up_refusals_only_however_many_failures_there_are() {
    let _standstill = Standstill::begin();
    let dir = tempdir();
    let journal = start(dir.path()).await.unwrap();
    let forwarded = Forwarded::No;
    let failed = Reply::Problem(Problem::Internal { forwarded });
    let refused = Reply::Problem(Problem::Overloaded);

    for reply in [&failed, &failed, &failed, &refused, &refused] {
        answered(&journal, reply.clone()).await;
    }
    journal.stop().await.unwrap();

    let journal = journal::Journal::of(dir.path());
    journal.read_on();
    let outcomes = journal.of_kind("outcome");
    let codes: Vec<_> = outcomes.iter().map(|it| it["code"].as_str()).collect();
    let expected = ["internal", "internal", "internal", "overloaded"];
    assert_eq!(codes, expected.map(Some), "one refusal a second");
    assert_eq!(journal.summed_up().into_values().sum::<u64>(), 1);
}

/// What becomes of a reply to a caller that is not known: its status and the record that it names.
async fn answered(journal: &Journal, reply: Reply) -> (u16, String) {
    let inner = service_fn(move |_: Exchange| ready(Ok::<_, Infallible>(reply.clone())));
    let books = Books {
        journal: journal.clone(),
        tally: Arc::default(),
        tracer: None,
    };
    let stack = Entry::new(Audited::new(inner, books, Tasks::default()), None);
    let request = Request::post("/").body(whole(Bytes::new())).unwrap();
    let (head, body) = request.into_parts();
    let peer = Peer {
        address: "192.0.2.7:40000".parse().unwrap(),
        certificate: None,
    };
    let arrival = Arrival {
        head,
        body,
        fault: None,
        peer,
    };
    let answer = stack.oneshot(arrival).await.unwrap();
    let named = answer.headers()["gateway-audit-id"].to_str().unwrap();
    (answer.status().as_u16(), named.to_owned())
}

fn kinds_of(journal: &journal::Journal) -> Vec<String> {
    let records = journal.records();
    records
        .iter()
        .map(|record| record["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// A record with everything that differs from run to run hidden behind its form, which is checked.
fn shape(line: &str) -> String {
    let record: Value = serde_json::from_str(line).unwrap();
    let mut shape = line.to_owned();
    let mut hide = |value: &Value, form: &str| match value {
        Value::String(text) => shape = shape.replace(text, form),
        Value::Number(number) => shape = shape.replace(&format!(":{number}"), &format!(":{form}")),
        _ => {}
    };
    let time = record["time"].as_str().unwrap();
    assert!(
        time.len() == 27 && time.ends_with('Z') && time.as_bytes()[10] == b'T',
        "{time}"
    );
    hide(&record["time"], "<time>");
    for (key, form) in [
        ("journal", "<guid>"),
        ("id", "<uuid7>"),
        ("call", "<uuid7>"),
        ("boot", "<uuid7>"),
        ("trace_id", "<trace>"),
        ("policy", "<16 hex>"),
        ("body_sha256", "<sha256>"),
        ("prev", "<sha256>"),
        ("duration_us", "<us>"),
        ("body_bytes", "<bytes>"),
    ] {
        hide(&record[key], form);
    }
    for id in record["request_ids"].as_array().into_iter().flatten() {
        hide(id, "<guid>");
    }
    for attempt in record["attempts"].as_array().into_iter().flatten() {
        for (key, form) in [
            ("request_id", "<guid>"),
            ("started", "<time>"),
            ("token", "<16 hex>"),
        ] {
            hide(&attempt[key], form);
        }
        hide(&attempt["duration_us"], "<us>");
    }
    shape
}

/// A directory whose syncs cost nothing, for tests that start a journal again and again.
fn tempdir_in_memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempdir())
}
