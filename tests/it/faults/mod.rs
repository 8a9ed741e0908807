//! The fault table: what may go wrong upstream, and for each what the caller hears, what was sent, what
//! the journal tells, and how the transfer stands in the end.

mod answers;
mod connections;
mod outages;
mod proofs;
mod reading;
mod replay;
mod throttling;
mod tokens;

use std::sync::{Arc, Mutex};

use http::Method;
use sandbox::{Fault, Seen, Target, Turn};
use serde_json::Value;

use crate::harness::{
    CUSTOMER, TRANSFER, World,
    call::{Answer, Call},
    journal::Journal,
    while_time_flows,
};

/// One way for things to go wrong, and what comes of it.
struct Row {
    when: &'static str,
    given: fn(&World),
    /// Each attempt: its method, its `MS-RequestId` as a letter, how it ended, and the transfer's status
    /// in its answer. An attempt of which nothing reached Partner Center has a dash for its method.
    sent: &'static str,
    /// The status, `Gateway-Outcome`, `forwarded`, the gateway's own code and `Retry-After`.
    answer: &'static str,
    /// The transfer's status at Partner Center, and how often it was changed.
    transfer: &'static str,
}

/// What came of one call, in the words of the table.
#[derive(Debug, PartialEq)]
struct Found {
    sent: String,
    answer: String,
    transfer: String,
}

/// Rejects a transfer once for each row, and compares what came of it.
async fn rejecting(rows: impl IntoIterator<Item = Row>) {
    let mut wrong = String::new();
    for row in rows {
        let world = World::new().await;
        (row.given)(&world);
        let found = found(&world, world.reject()).await;
        wrong.extend(row.differs(&found));
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Makes a world's only call and tells what came of it.
async fn found(world: &World, call: Call<'_>) -> Found {
    let unnamed = unnamed(world);
    let answer = while_time_flows(world, call.send()).await;
    assert_eq!(
        *unnamed.lock().expect("IDs"),
        [""; 0],
        "sent and not intended"
    );
    told(world, &answer)
}

/// Collects the IDs of requests that no record names when they are sent.
fn unnamed(world: &World) -> Arc<Mutex<Vec<String>>> {
    let collected = Arc::new(Mutex::new(Vec::new()));
    let journal = Journal::of(world.dir.path());
    let unnamed = Arc::clone(&collected);
    world.network.observe(move |headers| {
        let Some(id) = headers.get("ms-requestid") else {
            return;
        };
        let id = id.to_str().expect("text");
        journal.read_on();
        let intents = journal.of_kind("intent");
        let names = |intent: &Value| ids(intent).any(|named| named == id);
        if !intents.iter().any(names) {
            unnamed.lock().expect("IDs").push(id.to_owned());
        }
    });
    collected
}

fn ids(intent: &Value) -> impl Iterator<Item = &str> {
    let ids = intent["request_ids"].as_array().expect("IDs");
    ids.iter().map(|id| id.as_str().expect("an ID"))
}

impl Row {
    fn differs(&self, found: &Found) -> Option<String> {
        let expected = Found {
            sent: self.sent.to_owned(),
            answer: self.answer.to_owned(),
            transfer: self.transfer.to_owned(),
        };
        (*found != expected)
            .then(|| format!("\n{}:\n{found:#?}\nand not\n{expected:#?}\n", self.when))
    }
}

/// Tells what came of a world's only call, and checks what holds whatever went wrong.
fn told(world: &World, answer: &Answer) -> Found {
    assert_eq!(world.journal().of_kind("outcome").len(), 1);
    let history = world.sandbox.transfer_history(CUSTOMER, TRANSFER);
    let status = world.sandbox.transfer_status(CUSTOMER, TRANSFER);
    let effects = history.expect("a transfer").effects;
    assert_eq!(effects > 0, status.as_deref() == Some("Reject"));
    Found {
        sent: sent(world, answer),
        answer: heard(answer),
        transfer: format!("{} ({effects})", status.expect("a transfer")),
    }
}

fn heard(answer: &Answer) -> String {
    let record = &answer.record;
    assert!(
        record["duration_us"].as_u64().expect("time") <= 55_000_000,
        "{record}"
    );
    let text = |name: &str| record[name].as_str().map(str::to_owned);
    let again = answer.header("retry-after");
    let words = [
        Some(answer.status.to_string()),
        text("outcome"),
        text("forwarded"),
        text("code"),
        again.map(|again| format!("again in {again}")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// Tells what was sent, as the record and Partner Center agree that it was.
fn sent(world: &World, answer: &Answer) -> String {
    let mut letters = Vec::new();
    let mut told = Vec::new();
    let mut seen = world.sandbox.seen().into_iter();
    let mut answered = Vec::new();
    for attempt in attempts(answer) {
        let id = attempt["request_id"].as_str().expect("an ID");
        let letter = letter(&mut letters, id);
        let ending = ending(attempt);
        if attempt["error"] == "connect" {
            told.push(format!("- {letter} {ending}"));
            continue;
        }
        let seen = seen.next().expect("a request that the record tells of");
        assert_eq!(header(&seen, "ms-requestid"), id);
        assert_eq!(
            header(&seen, "ms-correlationid"),
            answer.record["correlation_id"]
        );
        let heard = seen
            .answered
            .as_deref()
            .filter(|_| attempt["error"].is_null());
        let shown = heard.and_then(shown).unwrap_or_default();
        let line = format!("{} {letter} {ending} {shown}", seen.method);
        told.push(line.trim_end().to_owned());
        answered.push(seen);
    }
    assert!(seen.next().is_none(), "a request that no record tells of");
    byte_for_byte(answer, &answered);
    intended(world, answer, &letters);
    told.join("; ")
}

fn attempts(answer: &Answer) -> impl Iterator<Item = &Value> {
    let attempts = answer.record["attempts"].as_array();
    attempts.into_iter().flatten()
}

fn header<'a>(seen: &'a Seen, name: &str) -> &'a str {
    let mut headers = seen.headers.iter();
    &headers.find(|(is, _)| is == name).expect("a header").1
}

/// Checks that a body which is passed on is Partner Center's: what the last look brought where that told
/// what had become of the transfer, else what the last request did that was to do what the caller wants.
fn byte_for_byte(answer: &Answer, seen: &[Seen]) {
    if answer.record.get("code").is_some() {
        return;
    }
    let reconciled = answer.header("gateway-outcome") == Some("reconciled");
    let rejects = answer.record["operation"] == "transfers.reject";
    let wanted = if rejects && !reconciled {
        Method::PATCH
    } else {
        Method::GET
    };
    let bodies = seen.iter().filter(|seen| seen.method == wanted);
    let last = bodies.filter_map(|seen| seen.answered.as_ref()).next_back();
    assert_eq!(last, Some(&answer.body));
}

/// Checks that one record of the intent names all that was sent.
fn intended(world: &World, answer: &Answer, sent: &[String]) {
    let intents = world.journal().of_kind("intent");
    let [intent] = &intents[..] else {
        panic!("{} intents", intents.len())
    };
    assert_eq!(intent["call"], answer.record["call"]);
    assert!(intent["seq"].as_u64() < answer.record["seq"].as_u64());
    assert!(sent.iter().all(|id| ids(intent).any(|named| named == id)));
}

/// The letter of an ID: `a` for the first that is used, and so on.
fn letter(ids: &mut Vec<String>, id: &str) -> String {
    let known = ids.iter().position(|known| known == id);
    let place = known.unwrap_or_else(|| {
        ids.push(id.to_owned());
        ids.len() - 1
    });
    char::from(b"abcdefghijklmnopqrstuvwxyz"[place]).to_string()
}

/// How an attempt ended: what went wrong, or the status, with Partner Center's code where there is one.
fn ending(attempt: &Value) -> String {
    if let Some(error) = attempt["error"].as_str() {
        assert!(attempt["status"].is_null(), "{attempt}");
        return error.to_owned();
    }
    let status = &attempt["status"];
    match attempt["error_code"].as_str() {
        Some(code) => format!("{status}/{code}"),
        None => status.to_string(),
    }
}

/// The status of the transfer that a body shows.
fn shown(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    body["status"].as_str().map(str::to_owned)
}

/// Has the next request upstream meet a fault.
fn once(world: &World, fault: Fault) {
    world.sandbox.push_fault(Target::PartnerCenter, fault);
}

/// Has every request upstream meet a fault.
fn always(world: &World, fault: Fault) {
    let turn = Turn::of(fault).always();
    world.sandbox.push_turn(Target::PartnerCenter, turn);
}

/// Has every request of one method meet a fault.
fn always_on(world: &World, method: Method, fault: Fault) {
    let turn = Turn::of(fault).on(method).always();
    world.sandbox.push_turn(Target::PartnerCenter, turn);
}

/// An answer with a status and Partner Center's own code, and no effect.
fn refusal(status: u16, code: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(words(code)),
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

/// The same, although the request has its effect.
fn denial(status: u16, body: String) -> Fault {
    Fault::CommitThen {
        status,
        body: Some(body),
        content_type: None,
        retry_after: None,
        headers: vec![],
    }
}

/// An answer that asks to be left alone for a while.
fn put_off(status: u16, retry_after: &str) -> Fault {
    Fault::Status {
        status,
        body: Some(words("0")),
        content_type: None,
        retry_after: Some(retry_after.to_owned()),
        headers: vec![],
    }
}

/// An error body as Partner Center writes it.
fn words(code: &str) -> String {
    format!(r#"{{"code":{code},"description":"told","data":[],"source":"PartnerFD"}}"#)
}

/// The documented transfer, as a body shows it in some status.
fn transfer(status: &str) -> String {
    format!(r#"{{"id":"{TRANSFER}","status":"{status}"}}"#)
}
