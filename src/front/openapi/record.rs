//! A record of the audit journal.

use serde_json::{Value, json};

use crate::{
    command::Operation,
    front::{
        openapi::{joined, schemas::guid},
        problem::{Forwarded, Outcome},
    },
};

/// Describes a record, whatever its kind.
pub(in crate::front::openapi) fn described() -> Value {
    json!({
        "description": "One record; what is absent is not known, or not of its kind.",
        "type": "object",
        "required": ["v", "journal", "seq", "id", "time", "kind", "boot", "prev"],
        "properties": properties(),
    })
}

fn properties() -> Value {
    let more = [of_calls(), of_answers(), of_the_journal()];
    more.into_iter().fold(of_every_kind(), joined)
}

fn of_every_kind() -> Value {
    json!({
        "v": {"const": 1},
        "journal": guid(),
        "seq": {"type": "integer", "minimum": 1, "description": "Without gaps in one journal."},
        "id": guid(),
        "time": time(),
        "kind": {"enum": KINDS},
        "boot": guid(),
        "prev": hash("Of the line before it; zeros in the first."),
    })
}

fn of_calls() -> Value {
    json!({
        "call": guid(),
        "operation": {"enum": Operation::ALL.map(Operation::as_str)},
        "customer": guid(),
        "transfer": guid(),
        "principal": text("Who called."),
        "issuer": text("Who vouched for the caller."),
        "auth": {"enum": ["jwt", "mtls", "token_file", "none"]},
        "peer": text("The address that the call came from."),
        "reason": text("The caller's own words."),
        "account": text("The account that was used."),
        "partner_tenant": text("Its tenant."),
        "flow": {"enum": ["app", "app_user"]},
        "correlation_id": guid(),
        "trace_id": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
        "decision": {"enum": ["allowed", "denied", "unauthenticated", "invalid"]},
        "rule": text("The rule that decided."),
        "policy": text("Which policy was in force."),
        "request_ids": {"type": "array", "items": guid()},
    })
}

fn of_answers() -> Value {
    json!({
        "status": count("The status answered."),
        "code": text("The gateway's own code, where the gateway spoke."),
        "outcome": {"enum": Outcome::ALL.map(Outcome::as_str)},
        "replay_of": text("The ID of the record of the answer that is given again."),
        "forwarded": {"enum": Forwarded::ALL.map(Forwarded::as_str)},
        "attempts": {"type": "array", "items": attempt()},
        "transfer_status": text("How Partner Center said that the transfer stands."),
        "body_sha256": hash("Of the answer's body."),
        "body_bytes": count("Of the answer's body."),
        "duration_us": count("From the request's first byte to the answer."),
    })
}

fn attempt() -> Value {
    json!({
        "type": "object",
        "required": ["request_id", "started", "token"],
        "properties": {
            "request_id": guid(),
            "started": time(),
            "duration_us": count("How long it took."),
            "status": count("What Partner Center answered."),
            "error": text("What came in place of an answer."),
            "error_code": text("Partner Center's own code."),
            "token": text("Which token was shown; nothing of it."),
        },
    })
}

fn of_the_journal() -> Value {
    json!({
        "counts": {"type": "array", "items": {
            "type": "object",
            "required": ["code", "address", "count"],
            "properties": {
                "code": text("The code answered, or what was no request."),
                "address": text("Where they came from."),
                "count": count("How many."),
            },
        }},
        "cut": {
            "type": "object",
            "required": ["bytes", "sha256", "file"],
            "properties": {
                "bytes": count("How many were cut off at the start."),
                "sha256": hash("Of them."),
                "file": text("Where they are kept."),
            },
        },
        "orphans": count("Calls that had no outcome at the start."),
        "low_water": count("The highest record that was known to be on the disk."),
        "upto": count("The last record that is signed, or removed."),
        "head": hash("Of its line."),
        "checkpoint": hash("Of the last checkpoint's line among what is removed."),
        "key_id": text("The key that signed."),
        "signature": text("Ed25519, base64."),
        "forked_from": forked_from(),
        "witnessed": witnessed(),
        "contradicts": {
            "type": "object",
            "required": ["upto", "head"],
            "properties": {
                "upto": count("The last record of what was witnessed before."),
                "head": hash("Of its line."),
            },
        },
    })
}

fn forked_from() -> Value {
    json!({
        "type": "object",
        "required": ["journal", "seq", "head", "sink", "sink_seq", "sink_head", "kept"],
        "properties": {
            "journal": guid(),
            "seq": count("The last record of the journal that ended, on the disk."),
            "head": hash("Of its line."),
            "sink": text("The sink that has more, or something else."),
            "sink_seq": count("The last record that it has."),
            "sink_head": hash("Of its line."),
            "kept": text("Where the ended journal is kept."),
            "unacknowledged": {"type": "array", "items": {
                "type": "object",
                "required": ["sink", "from", "upto"],
                "properties": {
                    "sink": text("A sink that had not acknowledged these."),
                    "from": count("The first one."),
                    "upto": count("The last one."),
                },
            }},
        },
    })
}

fn witnessed() -> Value {
    json!({
        "type": "object",
        "required": ["journal", "upto", "head", "time", "key_id"],
        "properties": {
            "journal": guid(),
            "upto": count("The last record that the checkpoint signs."),
            "head": hash("Of its line."),
            "time": text("When the checkpoint says that it was written."),
            "key_id": text("The key that it says has signed it."),
        },
    })
}

fn text(words: &str) -> Value {
    json!({"type": "string", "description": words})
}

fn count(words: &str) -> Value {
    json!({"type": "integer", "minimum": 0, "description": words})
}

fn hash(words: &str) -> Value {
    json!({"type": "string", "pattern": "^[0-9a-f]{64}$", "description": words})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// What records there are.
const KINDS: [&str; 9] = [
    "intent",
    "outcome",
    "recovered",
    "checkpoint",
    "summary",
    "started",
    "stopped",
    "pruned",
    "witness",
];
