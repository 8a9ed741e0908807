//! What the description of the listeners says of every answer and every record that any test sees.

use std::sync::LazyLock;

use http::HeaderMap;
use partner_gateway::front::openapi;
use serde_json::Value;

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi::document);

/// Checks that a record has no members, and of those that are enumerated no values, but those described.
pub(crate) fn record(record: &Value) {
    let described = &DOCUMENT["components"]["schemas"]["AuditRecord"]["properties"];
    for (name, value) in record.as_object().expect("a record") {
        let schema = described.get(name);
        let schema = schema.unwrap_or_else(|| panic!("{name} is not described: {record}"));
        if let Some(words) = schema["enum"].as_array() {
            assert!(words.contains(value), "{name} is not described: {record}");
        }
    }
}

/// Checks that an answer to this operation has a status, a code, an outcome and headers that are described.
pub(crate) fn answer(operation: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    let paths = DOCUMENT["paths"].as_object().expect("paths").values();
    let operations = paths.flat_map(|item| item.as_object().expect("operations").values());
    let mut these = operations.filter(|it| it["operationId"] == operation);
    let responses = &these.next().expect("an operation")["responses"];
    let own = responses.get(status.to_string());
    let response = own.or_else(|| responses.get("default"));
    let response = response.unwrap_or_else(|| panic!("{operation}: {status} is not described"));
    let described = response["headers"].as_object().expect("headers");
    for (name, value) in headers {
        let mut known = described.keys().map(|known| known.to_lowercase());
        let is_known = name == "content-type" || known.any(|known| known == name.as_str());
        assert!(is_known, "{operation}: {status} with {name}: {value:?}");
    }
    let outcome = headers["gateway-outcome"].to_str().expect("text");
    let outcomes = &described["Gateway-Outcome"]["schema"]["enum"];
    assert!(has(outcomes, outcome), "{operation}: {status} {outcome}");
    if headers
        .get("content-type")
        .is_some_and(|kind| kind == PROBLEM)
    {
        let problem: Value = serde_json::from_slice(body).expect("a problem");
        let described = &response["content"][PROBLEM]["schema"]["properties"];
        for member in ["code", "forwarded"] {
            let word = problem[member].as_str().expect("a word");
            let is_known = has(&described[member]["enum"], word);
            assert!(is_known, "{operation}: {status} {problem}");
        }
    }
}

fn has(words: &Value, word: &str) -> bool {
    let words = words.as_array().expect("an enumeration");
    words.iter().any(|known| known == word)
}

const PROBLEM: &str = "application/problem+json";
