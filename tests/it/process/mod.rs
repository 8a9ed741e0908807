//! The program itself: what holds when it is killed, or started twice.

mod against;
mod all;
mod central;
mod clustered;
mod consent;
mod describing;
mod disk;
mod evidence;
mod explaining;
mod forking;
mod keys;
mod leaving;
mod login;
mod lost_stream;
mod printing;
mod private_ca;
mod prometheus;
mod provider;
mod reconciling;
mod redelivering;
mod reloading;
mod rolling;
mod searching;
mod sharing;
mod shipping;
mod sinks_away;
mod site;
mod telling;
mod tracing;
mod two_sided;
mod verifying;
mod watching;

use std::{collections::HashSet, fs, io::Write as _, path::PathBuf};

use futures_util::future::join_all;
use sandbox::{Fault, Seen, Target, Transfer, Turn};
use serde_json::Value;

use self::site::{Answer, Running, Site};
use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    journal::{Journal, segments},
    process::within,
    served::until,
    tempdir,
};

#[tokio::test]
async fn has_an_intent_for_every_patch_and_an_outcome_for_every_intent_after_kills() {
    let site = Site::new().await;
    let gateway = site.start().await;

    let calling = call_until_it_is_gone(&site, &gateway);
    let killing = async {
        until(|| patches(&site).len() > 100).await;
        gateway.process.signal("KILL");
    };
    let (answers, ()) = tokio::join!(calling, killing);
    let ended = gateway.process.ended().await;
    let left = acknowledged(&site);
    tear_the_end(&site);
    let again = site.start().await;
    again.process.signal("KILL");
    again.process.ended().await;
    let again = site.start().await;
    let answer = again.reject(TRANSFER).await;
    within(async || open(&site.journal()) == 0).await;

    assert_eq!((ended.code, answer.status), (None, 200));
    let journal = site.journal();
    let closed = closed_late(&journal);
    assert!(!closed.is_empty(), "64 calls were under way");
    for outcome in closed {
        let transfer = outcome["transfer"].as_str().expect("transfer");
        let stands = site.sandbox.transfer_status(CUSTOMER, transfer);
        let forwarded = match stands.as_deref() {
            Some("Reject") => "yes",
            _ => "unknown",
        };
        assert_eq!(outcome["transfer_status"].as_str(), stands.as_deref());
        assert_eq!(outcome["forwarded"], forwarded, "{outcome}");
    }
    let kept = left.records();
    assert_eq!(journal.records()[..kept.len()], kept, "a record was lost");
    assert!(!answers.is_empty());
    for answer in answers {
        assert_eq!(left.outcome(&answer.audit_id)["status"], answer.status);
    }
    let intents = journal.of_kind("intent");
    for patch in patches(&site) {
        assert!(
            intents.iter().any(|intent| announces(intent, &patch)),
            "no intent for {patch:?}"
        );
    }
    assert_eq!(journal.of_kind("recovered").len(), 1);
    assert_eq!(journal.of_kind("started").len(), 3);
    assert_eq!(journal.outcome(&answer.audit_id)["status"], 200);
}

#[tokio::test]
async fn lets_one_process_have_the_journal() {
    let site = Site::new().await;
    let first = site.start().await;

    let second = site.spawn("serve").ended().await;

    assert_eq!(second.code, Some(1), "{second:?}");
    assert_eq!(second.stderr.lines().count(), 1, "{second:?}");
    let dir = site.path("audit");
    assert!(
        second.stderr.contains(dir.to_str().unwrap()),
        "{}",
        second.stderr
    );
    assert_eq!(first.reject(TRANSFER).await.status, 200);
    assert_eq!(kinds(&site.journal()), ["started", "intent", "outcome"]);
}

#[tokio::test]
async fn sends_nothing_twice_over_a_kept_connection_that_breaks() {
    let site = Site::new().await;
    let gateway = site.start().await;
    for (number, (fault, error)) in (0..).zip([
        (Fault::CommitThenSilence, "no_answer"),
        (Fault::ResetAfter, "no_answer"),
        (Fault::CutBody, "broken_off"),
    ]) {
        gateway.reject(TRANSFER).await;
        let transfer = transfer(&site, "abcd", number);
        let turn = Turn::of(fault).of_transfer(&transfer);
        site.sandbox.push_turn(Target::PartnerCenter, turn);

        let answer = gateway.reject(&transfer).await;

        let record = site.journal().outcome(&answer.audit_id);
        assert_eq!(
            (answer.status, &record["outcome"]),
            (200, &"reconciled".into())
        );
        let [patch, look] = &record["attempts"].as_array().unwrap()[..] else {
            panic!("{record}")
        };
        assert_eq!(
            (&patch["error"], &look["status"]),
            (&error.into(), &200.into())
        );
        let history = site.sandbox.transfer_history(CUSTOMER, &transfer).unwrap();
        assert_eq!(history.request_ids, [patch["request_id"].as_str().unwrap()]);
        assert_eq!((history.effects, history.reads), (1, 1));
    }
}

/// Lets 64 callers reject one transfer after the other until the gateway is gone, and returns the
/// answers that they had.
async fn call_until_it_is_gone(site: &Site, gateway: &Running) -> Vec<Answer> {
    let calling = (0..64).map(|caller: u32| async move {
        let mut answers = Vec::new();
        for transfer in transfers(site, &format!("{caller:04x}"), 100) {
            match gateway.call(&transfer, BILLING).await {
                Ok(answer) => answers.push(answer),
                Err(_) => break,
            }
        }
        answers
    });
    join_all(calling).await.concat()
}

/// How many intents have no outcome; that none has two is checked while the journal is read.
fn open(journal: &Journal) -> usize {
    let calls = |kind| -> HashSet<String> {
        let records = journal.of_kind(kind).into_iter();
        records.map(|it| it["call"].to_string()).collect()
    };
    calls("intent").difference(&calls("outcome")).count()
}

/// The outcomes of calls that nobody was answered.
fn closed_late(journal: &Journal) -> Vec<Value> {
    let mut outcomes = journal.of_kind("outcome");
    outcomes.retain(|outcome| outcome.get("status").is_none());
    outcomes
}

/// Adds transfers to the sandbox, and returns their IDs.
fn transfers(site: &Site, group: &str, count: u32) -> Vec<String> {
    (0..count)
        .map(|number| transfer(site, group, number))
        .collect()
}

/// Adds a transfer to the sandbox, and returns its ID.
fn transfer(site: &Site, group: &str, number: u32) -> String {
    let id = format!("00000000-{group}-4000-8000-{number:012x}");
    site.sandbox.add_transfer(Transfer {
        id: id.clone(),
        ..Transfer::documented()
    });
    id
}

fn patches(site: &Site) -> Vec<Seen> {
    let mut seen = site.sandbox.seen();
    seen.retain(|request| request.method == "PATCH");
    seen
}

/// Whether an intent record names this request, and the transfer and the correlation ID in it.
fn announces(intent: &Value, patch: &Seen) -> bool {
    let header = |name: &str| {
        let found = patch.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    };
    let named = intent["request_ids"].as_array().expect("request IDs");
    let place = format!(
        "/v1/customers/{CUSTOMER}/transfers/{}",
        intent["transfer"].as_str().expect("transfer")
    );
    named.iter().any(|id| id.as_str() == header("ms-requestid"))
        && intent["correlation_id"].as_str() == header("ms-correlationid")
        && patch.path == place
}

/// The records that count: of each segment those below the name of the next one, and no line that
/// was cut short.
fn acknowledged(site: &Site) -> Journal {
    let copy = tempdir();
    let segments = segments(&site.path("audit"));
    let first = |segment: &PathBuf| -> Option<usize> {
        let name = segment.file_stem()?.to_str()?;
        name.strip_prefix("journal-")?.parse().ok()
    };
    for (index, segment) in segments.iter().enumerate() {
        let next = segments.get(index + 1).and_then(first);
        let count = next.map_or(usize::MAX, |next| next - first(segment).expect("name"));
        let text = fs::read(segment).unwrap();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        let whole: Vec<_> = lines
            .filter(|line| line.ends_with(b"\n"))
            .take(count)
            .collect();
        fs::write(
            copy.path().join(segment.file_name().unwrap()),
            whole.concat(),
        )
        .unwrap();
    }
    let journal = Journal::of(copy.path());
    journal.read_on();
    journal
}

/// Cuts a record short, as a power failure may: a kill hardly ever does.
fn tear_the_end(site: &Site) {
    let last = segments(&site.path("audit")).pop().unwrap();
    let mut file = fs::OpenOptions::new().append(true).open(last).unwrap();
    file.write_all(br#"{"v":1,"journal":"#).unwrap();
}

fn kinds(journal: &Journal) -> Vec<String> {
    let records = journal.records().into_iter();
    records
        .map(|record| record["kind"].as_str().expect("kind").to_owned())
        .collect()
}
