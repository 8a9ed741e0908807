//! What a real OpenTelemetry Collector makes of records.

use std::path::Path;

use partner_gateway::delivery::{batch::Batch, sink::Setback};
use serde_json::Value;

use super::{batch, deliver, sink, some};
use crate::harness::collector::Collector;

#[tokio::test]
async fn brings_every_record_to_a_collector_as_it_is() {
    let collector = Collector::start().await;
    let sink = sink(&collector.endpoint("/v1/logs"));
    let odd = r#""time":"2026-02-28T23:59:59.000001Z","kind":"outcome","outcome":"failed","principal":"bill\u00e9 \u2028 é 🐤 \u0000","status":502,"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736""#;
    let long = format!(r#""kind":"intent","reason":"{}""#, "x".repeat(8000));
    let many: Vec<&str> = [odd, &long].repeat(128);
    let batches = [some(), batch(&many), batch(&[odd])];

    for batch in &batches {
        assert_eq!(deliver(&sink, batch).await, Ok(()));
    }

    let records = collector.records();
    let lines = batches.iter().flat_map(Batch::lines);
    let lines: Vec<_> = lines.collect();
    assert_eq!(records.len(), lines.len());
    for (record, line) in records.iter().zip(&lines) {
        assert_eq!(record["body"]["stringValue"], line.text);
        assert_eq!(attribute(record, "log.record.uid"), line.id.to_string());
        let seq = attribute(record, "partner_gateway.audit.seq");
        assert_eq!(seq, line.seq.to_string());
    }
    let last = records.last().unwrap();
    assert_eq!(last["timeUnixNano"], "1772323199000001000");
    assert_eq!(last["observedTimeUnixNano"], "1772323200000000000");
    assert_eq!(last["severityNumber"], 17);
    assert_eq!(last["severityText"], "ERROR");
    assert_eq!(last["eventName"], "partner_gateway.audit.outcome");
    assert_eq!(last["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(last.get("spanId"), None);
}

#[tokio::test]
async fn waits_while_the_collector_cannot_pass_records_on() {
    let collector = Collector::writing_to(Path::new("/dev/full"), "").await;

    let delivered = deliver(&sink(&collector.endpoint("/v1/logs")), &some()).await;

    let Err(Setback::Passing { why, after: None }) = delivered else {
        panic!("{delivered:?}")
    };
    assert!(why.starts_with("it answered 503: "), "{why}");
    assert!(why.ends_with("no space left on device"), "{why}");
}

#[tokio::test]
async fn tells_that_the_collector_refuses_what_is_too_large() {
    let collector = Collector::with("max_request_body_size: 100").await;

    let delivered = deliver(&sink(&collector.endpoint("/v1/logs")), &some()).await;

    let Err(Setback::Refused { why }) = delivered else {
        panic!("{delivered:?}")
    };
    assert!(why.starts_with("it answered 4"), "{why}");
    assert_eq!(collector.records(), [Value::Null; 0]);
}

#[tokio::test]
async fn asks_a_person_where_the_collector_has_no_such_path() {
    let collector = Collector::start().await;

    let delivered = deliver(&sink(&collector.endpoint("/v1/log")), &some()).await;

    let why = "it answered 404: 404 page not found; check the path of `endpoint`, which is usually /v1/logs";
    let why = why.to_owned();
    assert_eq!(delivered, Err(Setback::Held { why }));
    assert_eq!(collector.records(), [Value::Null; 0]);
}

/// The text of an attribute; a number is in a text, too.
fn attribute<'a>(record: &'a Value, key: &str) -> &'a str {
    let attributes = record["attributes"].as_array().unwrap();
    let attribute = attributes.iter().find(|attribute| attribute["key"] == key);
    let value = &attribute.unwrap()["value"];
    let text = value.get("stringValue").or_else(|| value.get("intValue"));
    text.unwrap().as_str().unwrap()
}
