//! The headers of answers.

use serde_json::{Map, Value, json};

use crate::{
    front::{
        openapi::schemas,
        problem::Outcome,
        reply::{ALONE, challenge},
    },
    identity::Unidentified,
};

/// Every header that an answer can have, by its name.
pub(in crate::front::openapi) fn all() -> Map<String, Value> {
    Map::from_iter([
        described(
            CORRELATION_ID,
            true,
            "The call's correlation ID: the caller's, or a fresh one.",
            &schemas::guid(),
        ),
        described(
            REQUEST_ID,
            false,
            "The `MS-RequestId` of the last request to Partner Center, where one was made.",
            &schemas::guid(),
        ),
        described(
            AUDIT_ID,
            true,
            "The ID of the audit record that tells of this answer.",
            &schemas::guid(),
        ),
        described(
            WARNING,
            false,
            "That other replicas could not be asked about the idempotency key.",
            &json!({"const": ALONE}),
        ),
        described(
            CACHE_CONTROL,
            true,
            "Answers are kept by nobody.",
            &json!({"const": "no-store"}),
        ),
        described(
            RETRY_AFTER,
            false,
            "When to come again: in seconds where the gateway says so, as it stands where Partner Center did.",
            &json!({"type": "string", "minLength": 1}),
        ),
        described(
            CHALLENGE,
            true,
            "What is wrong with the credential, RFC 6750.",
            &json!({"enum": challenges()}),
        ),
        described(
            ALLOW,
            true,
            "The methods that the path takes.",
            &json!({"enum": ["POST", "GET", "GET, HEAD"]}),
        ),
        described(
            LOCALE,
            false,
            "As Partner Center said it.",
            &json!({"type": "string"}),
        ),
    ])
}

/// Refers to headers by their names.
pub(in crate::front::openapi) fn named(names: &[&str]) -> Map<String, Value> {
    let refer = |name: &&str| {
        let place = format!("#/components/headers/{name}");
        ((*name).to_owned(), json!({"$ref": place}))
    };
    names.iter().map(refer).collect()
}

/// The headers of every recorded answer that came about in one of these ways.
pub(in crate::front::openapi) fn of_outcomes(
    outcomes: &[Outcome],
    others: &[&str],
) -> Map<String, Value> {
    let mut headers = named(&[CORRELATION_ID, REQUEST_ID, AUDIT_ID, CACHE_CONTROL, WARNING]);
    headers.extend(named(others));
    let words: Vec<_> = outcomes.iter().map(|outcome| outcome.as_str()).collect();
    let (name, header) = described(
        OUTCOME,
        true,
        "How the answer came about.",
        &json!({"enum": words}),
    );
    headers.insert(name, header);
    headers
}

/// The same header on an answer that may lack it.
pub(in crate::front::openapi) fn optional(name: &str, header: &Value) -> Value {
    let mut header = all().remove(name).unwrap_or_else(|| header.clone());
    if let Some(members) = header.as_object_mut() {
        members.insert("required".to_owned(), false.into());
    }
    header
}

/// `Retry-After` where the gateway alone says it.
pub(in crate::front::openapi) fn seconds() -> Value {
    json!({
        "description": "In how many seconds to come again.",
        "required": true,
        "schema": {"type": "integer", "minimum": 1},
    })
}

fn described(name: &str, required: bool, words: &str, schema: &Value) -> (String, Value) {
    let header = json!({"description": words, "required": required, "schema": schema});
    (name.to_owned(), header)
}

fn challenges() -> [&'static str; 3] {
    [
        Unidentified::Missing,
        Unidentified::Malformed,
        Unidentified::Invalid,
    ]
    .map(challenge)
}

const CORRELATION_ID: &str = "MS-CorrelationId";
const REQUEST_ID: &str = "MS-RequestId";
const AUDIT_ID: &str = "Gateway-Audit-Id";
const OUTCOME: &str = "Gateway-Outcome";
const WARNING: &str = "Gateway-Warning";
pub(in crate::front::openapi) const CACHE_CONTROL: &str = "Cache-Control";
pub(in crate::front::openapi) const RETRY_AFTER: &str = "Retry-After";
pub(in crate::front::openapi) const CHALLENGE: &str = "WWW-Authenticate";
pub(in crate::front::openapi) const ALLOW: &str = "Allow";
pub(in crate::front::openapi) const LOCALE: &str = "X-Locale";
