//! What anybody may ask the operator listener.

use serde_json::{Value, json};

use crate::{
    front::{
        admin::VERBOSE,
        openapi::headers::{self, CACHE_CONTROL},
        probe::Probe,
    },
    telemetry::metrics,
};

/// Describes one of them.
pub(in crate::front::openapi) fn described(probe: Probe) -> Value {
    match probe {
        Probe::Alive => json!({
            "operationId": "livez",
            "summary": "Says that the process makes progress",
            "responses": {"200": plain("It does.")},
        }),
        Probe::Ready => json!({
            "operationId": "readyz",
            "summary": "Says whether the replica may take traffic, and what is not ready",
            "parameters": [{
                "name": VERBOSE,
                "in": "query",
                "required": false,
                "allowEmptyValue": true,
                "description": "Tells every check, and how each account stands.",
                "schema": {"type": "string"},
            }],
            "responses": {
                "200": checks("It may."),
                "503": checks("It may not."),
            },
        }),
        Probe::Metrics => json!({
            "operationId": "metrics",
            "summary": "Tells the metrics in Prometheus' text format",
            "responses": {
                "200": answer("The metrics.", metrics::MEDIA_TYPE, &json!({"type": "string"})),
                "500": plain("They could not be told."),
            },
        }),
    }
}

fn checks(words: &str) -> Value {
    answer(
        words,
        "application/json",
        &json!({"$ref": "#/components/schemas/Checks"}),
    )
}

fn plain(words: &str) -> Value {
    answer(words, "text/plain", &json!({"type": "string"}))
}

fn answer(words: &str, kind: &str, schema: &Value) -> Value {
    json!({
        "description": words,
        "headers": headers::named(&[CACHE_CONTROL]),
        "content": {kind: {"schema": schema}},
    })
}
