//! What must hold of one call that went well.

use sandbox::{Seen, Transfer};
use serde_json::Value;

use crate::{call::CORRELATION, site::sha256};

/// What was sent, seen, answered and written down.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) token: String,
    pub(crate) request: String,
    pub(crate) answer: Vec<u8>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) lines: Vec<String>,
    pub(crate) token_requests: usize,
}

/// Each thing that must hold, and whether it does.
pub(crate) fn findings(evidence: &Evidence) -> Vec<(&'static str, bool)> {
    let answer = Answer::read(&evidence.answer);
    let intents = records(evidence, "intent");
    let outcomes = records(evidence, "outcome");
    let patch = evidence.seen.first();
    let mut findings = vec![
        ("one token was fetched", evidence.token_requests == 1),
        ("one request went upstream", evidence.seen.len() == 1),
    ];
    findings.extend(
        patch
            .map(|patch| upstream(patch, &evidence.token))
            .unwrap_or_default(),
    );
    findings.extend(answered(&answer));
    let upstream = patch.and_then(|patch| patch.answered.as_deref());
    findings.push((
        "the answer's body is Partner Center's",
        upstream == Some(&*answer.body),
    ));
    findings.push(("there is one intent record", intents.len() == 1));
    findings.push(("there is one outcome record", outcomes.len() == 1));
    if let (Some(intent), Some(outcome), Some(patch)) = (intents.first(), outcomes.first(), patch) {
        findings.extend(recorded(intent, outcome, patch, &answer));
    }
    findings.push((
        "the records are one unbroken chain",
        is_chain(&evidence.lines),
    ));
    findings.push(("no secret is in the records", !shows_secrets(evidence)));
    findings
}

fn upstream(patch: &Seen, token: &str) -> Vec<(&'static str, bool)> {
    let Transfer { id, customer, .. } = Transfer::documented();
    let raw = patch.raw.as_deref().unwrap_or_default();
    let line = format!("PATCH /v1/customers/{customer}/transfers/{id} HTTP/1.1\r\n");
    let body = format!("\r\n\r\n{{\"id\":\"{id}\",\"status\":\"reject\"}}");
    let header = |name: &str| named(patch, name).unwrap_or_default();
    let holds = |needle: &str| {
        raw.windows(needle.len())
            .any(|part| part == needle.as_bytes())
    };
    vec![
        (
            "its request line is Microsoft's",
            raw.starts_with(line.as_bytes()),
        ),
        (
            "its body is the documented 63 bytes",
            patch.body.len() == 63 && raw.ends_with(body.as_bytes()),
        ),
        ("it is JSON", header("content-type") == "application/json"),
        (
            "it carries the caller's correlation ID",
            header("ms-correlationid") == CORRELATION,
        ),
        (
            "it carries a token of Entra ID's",
            header("authorization").starts_with("Bearer ey"),
        ),
        ("it carries nothing of the caller's", !holds(token)),
        ("it changed the transfer", patch.committed),
    ]
}

fn answered(answer: &Answer) -> Vec<(&'static str, bool)> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let is = |field: &str, value: &str| body.get(field).and_then(Value::as_str) == Some(value);
    vec![
        ("the answer is 200", answer.status == "200"),
        (
            "the answer is Partner Center's",
            answer.header("gateway-outcome") == "forwarded",
        ),
        (
            "the answer has the correlation ID",
            answer.header("ms-correlationid") == CORRELATION,
        ),
        (
            "the answer's body is the transfer",
            is("id", &Transfer::documented().id),
        ),
        (
            "the answer's body says it is rejected",
            is("status", "Reject"),
        ),
    ]
}

fn recorded(
    intent: &Value,
    outcome: &Value,
    patch: &Seen,
    answer: &Answer,
) -> Vec<(&'static str, bool)> {
    let request_id = named(patch, "ms-requestid").unwrap_or_default();
    let planned = intent
        .get("request_ids")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let text = |record: &Value, key: &str| {
        record
            .get(key)
            .and_then(Value::as_str)
            .map(ToOwned::to_owned)
    };
    let number = |record: &Value, key: &str| record.get(key).and_then(Value::as_u64);
    vec![
        (
            "the intent names the request ID",
            planned.iter().any(|id| id == &request_id),
        ),
        (
            "the intent comes first",
            number(intent, "seq") < number(outcome, "seq"),
        ),
        (
            "both records are of one call",
            text(intent, "call") == text(outcome, "call"),
        ),
        (
            "the answer names its record",
            text(outcome, "id") == Some(answer.header("gateway-audit-id")),
        ),
        (
            "the record has the status",
            number(outcome, "status").map(|s| s.to_string()) == Some(answer.status.clone()),
        ),
        (
            "the record has the body's hash",
            text(outcome, "body_sha256") == Some(sha256(&answer.body)),
        ),
    ]
}

/// An HTTP/1.1 answer, taken apart as far as the checks need.
#[derive(Debug, Default)]
struct Answer {
    status: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        let header = |line: &str| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        };
        Self {
            status: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            headers: head.split("\r\n").skip(1).filter_map(header).collect(),
            body: bytes
                .get(end.saturating_add(4)..)
                .unwrap_or_default()
                .to_vec(),
        }
    }

    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().find(|(is, _)| is == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

fn named(seen: &Seen, name: &str) -> Option<String> {
    let found = seen.headers.iter().find(|(is, _)| is == name);
    found.map(|(_, value)| value.clone())
}

fn records(evidence: &Evidence, kind: &str) -> Vec<Value> {
    let read = |line: &String| serde_json::from_str::<Value>(line).ok();
    let of_kind = |record: &Value| record.get("kind").and_then(Value::as_str) == Some(kind);
    evidence
        .lines
        .iter()
        .filter_map(read)
        .filter(of_kind)
        .collect()
}

fn is_chain(lines: &[String]) -> bool {
    let follows = |pair: &[String]| match pair {
        [before, line] => {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            record.get("prev").and_then(Value::as_str) == Some(&sha256(before.as_bytes()))
        }
        _ => false,
    };
    lines.len() > 1 && lines.windows(2).all(follows)
}

fn shows_secrets(evidence: &Evidence) -> bool {
    let sent = evidence
        .seen
        .iter()
        .filter_map(|seen| named(seen, "authorization"));
    let tokens = sent
        .map(|value| value.replace("Bearer ", ""))
        .collect::<Vec<_>>();
    evidence.lines.iter().any(|line| {
        line.contains(&evidence.token) || tokens.iter().any(|token| line.contains(token))
    })
}
