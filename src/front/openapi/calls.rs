//! The operations on a transfer.

use serde_json::{Map, Value, json};

use crate::{
    command::Operation,
    front::{
        names,
        openapi::{answers, schemas},
        reading::LONGEST_REASON,
    },
    transfers::request::LONGEST_KEY,
};

/// Rejects a transfer.
pub(in crate::front::openapi) fn reject() -> Value {
    let operation = Operation::TransfersReject;
    let rejected = schemas::transfer_of("Reject");
    let mut responses = answers::with_upstream(operation);
    responses.insert(
        "200".to_owned(),
        answers::granted("RejectedTransfer", &rejected),
    );
    json!({
        "summary": "Rejects one subscription transfer",
        "description": "200 is said only where the body proves that the transfer is rejected. Any query is refused.",
        "parameters": in_head(&["correlationId", "account", "idempotencyKey", "traceparent", "tracestate"]),
        "requestBody": {
            "required": false,
            "description": "No body, `{}`, or a reason for the audit record, which is never forwarded.",
            "content": {"application/json": {
                "schema": wish(),
                "example": {"reason": "ordered twice"},
            }},
        },
        "responses": answers::all(&responses),
    })
}

/// Reads a transfer.
pub(in crate::front::openapi) fn read() -> Value {
    let operation = Operation::TransfersRead;
    let active = schemas::transfer_of("Active");
    let mut responses = answers::with_upstream(operation);
    responses.insert("200".to_owned(), answers::granted("Transfer", &active));
    json!({
        "summary": "Tells how one subscription transfer stands",
        "description": "It changes nothing, and may always be repeated. Any query, and any body, is refused.",
        "parameters": in_head(&["correlationId", "account", "traceparent", "tracestate"]),
        "responses": answers::all(&responses),
    })
}

/// The parameters in the path.
pub(in crate::front::openapi) fn in_path() -> Vec<Value> {
    vec![refer("customer"), refer("transfer")]
}

/// The parameters in the head that have these names among the components.
pub(in crate::front::openapi) fn in_head(these: &[&str]) -> Vec<Value> {
    these.iter().copied().map(refer).collect()
}

/// Every parameter that more than one operation may have.
pub(in crate::front::openapi) fn parameters() -> Map<String, Value> {
    let header = |name: &str, words: &str, schema: &Value| json!({"name": name, "in": "header", "required": false, "description": words, "schema": schema});
    let all = [
        (
            "customer",
            in_a_path(
                "customer-id",
                "The customer whose subscriptions would move.",
                schemas::CUSTOMER,
            ),
        ),
        (
            "transfer",
            in_a_path("transfer-id", "The transfer.", schemas::TRANSFER),
        ),
        (
            "correlationId",
            header(
                names::CORRELATION_ID,
                "Kept for every request to Partner Center, and returned; a fresh one where it is absent.",
                &schemas::guid(),
            ),
        ),
        (
            "account",
            header(
                names::ACCOUNT,
                "The account to act through, by its name in the configuration; the default account where it is \
                 absent.",
                &json!({"type": "string"}),
            ),
        ),
        (
            "idempotencyKey",
            header(
                names::IDEMPOTENCY_KEY,
                "What this very call may be repeated under.",
                &json!({"type": "string", "pattern": format!("^[!-~]{{1,{LONGEST_KEY}}}$")}),
            ),
        ),
        (
            "traceparent",
            header(
                names::TRACEPARENT,
                "The trace to continue, W3C Trace Context. One that is not sound is ignored.",
                &json!({"type": "string"}),
            ),
        ),
        (
            "tracestate",
            header(
                names::TRACESTATE,
                "What others on the way say of that trace. Ignored where it is longer than 512 characters.",
                &json!({"type": "string"}),
            ),
        ),
    ];
    all.map(|(name, parameter)| (name.to_owned(), parameter))
        .into_iter()
        .collect()
}

fn refer(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

fn in_a_path(name: &str, words: &str, example: &str) -> Value {
    json!({
        "name": name,
        "in": "path",
        "required": true,
        "description": words,
        "schema": schemas::guid(),
        "example": example,
    })
}

/// The one body that a caller may send.
fn wish() -> Value {
    json!({
        "type": "object",
        "properties": {"reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON}},
        "additionalProperties": false,
    })
}
