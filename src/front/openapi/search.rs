//! The search of the audit journal.

use serde_json::{Value, json};

use crate::{
    audit::search::query::{MOST, OUTCOMES, Parameter, STATUSES, USUAL_LIMIT},
    command::Operation,
    front::{
        openapi::{
            answers::{self, Answer},
            calls, headers, schemas,
        },
        problem::Outcome,
    },
};

/// Searches the journal.
pub(in crate::front::openapi) fn described() -> Value {
    let mut own = answers::own(Operation::AuditRead);
    own.entry("503".to_owned()).and_modify(or_leaving);
    let mut responses = answers::all(&own);
    responses.insert("200".to_owned(), found());
    let mut parameters = calls::in_head(&["correlationId", "traceparent", "tracestate"]);
    parameters.extend(Parameter::ALL.map(described_parameter));
    json!({
        "summary": "Finds records of this replica's audit journal, newest first",
        "description": "Each search has a record of its own. A page may be shorter than `limit`, even empty; only \
                        where `next` is missing there is no more. A parameter that is unknown, empty or given twice \
                        is refused.",
        "parameters": parameters,
        "responses": responses,
    })
}

fn described_parameter(parameter: Parameter) -> Value {
    let (words, schema) = match parameter {
        Parameter::Customer => ("About this customer.", schemas::guid()),
        Parameter::Transfer => ("About this transfer.", schemas::guid()),
        Parameter::Principal => ("Of calls of this caller, by the whole name.", principal()),
        Parameter::CorrelationId => ("Of the call with this `MS-CorrelationId`.", schemas::guid()),
        Parameter::AuditId => ("The one record with this ID.", schemas::guid()),
        Parameter::Status => (
            "Of calls answered with this status.",
            json!({"type": "integer", "minimum": STATUSES.start(), "maximum": STATUSES.end()}),
        ),
        Parameter::Outcome => ("Of calls that ended so.", json!({"enum": OUTCOMES})),
        Parameter::Since => ("Written at this time or later.", time()),
        Parameter::Until => ("Written before this time.", time()),
        Parameter::Limit => (
            "How many records at most.",
            json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL_LIMIT}),
        ),
        Parameter::Cursor => (
            "The `next` of an earlier page of this replica.",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
        ),
    };
    json!({
        "name": parameter.as_str(),
        "in": "query",
        "required": false,
        "description": words,
        "schema": schema,
    })
}

fn principal() -> Value {
    json!({"type": "string", "pattern": r"^[^\u0000-\u001f\u007f-\u009f]+$"})
}

/// RFC 3339 in UTC, from 1970 on.
fn time() -> Value {
    json!({
        "type": "string",
        "format": "date-time",
        "pattern": r"^(19[7-9][0-9]|[2-9][0-9]{3})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$",
        "examples": ["2026-03-01T12:00:00Z"],
    })
}

fn found() -> Value {
    json!({
        "description": "A page of records.",
        "headers": headers::of_outcomes(&[Outcome::Answered], &[]),
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}},
        "links": {"next": {
            "operationId": Operation::AuditRead.as_str(),
            "description": "The next page.",
            "parameters": {"query.cursor": "$response.body#/next"},
        }},
    })
}

/// While the replica leaves nothing may be written behind the last record of the run, so that the answer names
/// none.
fn or_leaving(answer: &mut Answer) {
    answer
        .words
        .push_str("\n- or this replica is leaving, in plain words and without a record");
    let plain = [headers::CACHE_CONTROL, headers::RETRY_AFTER];
    for (name, header) in &mut answer.headers {
        if !plain.contains(&name.as_str()) {
            *header = headers::optional(name, header);
        }
    }
    let words = json!({"schema": {"type": "string"}});
    answer.content.insert("text/plain".to_owned(), words);
}
