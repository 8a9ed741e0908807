//! What a real OpenTelemetry Collector has of a call.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{site::Site, transfer};
use crate::{
    harness::{TRANSFER, collector::Collector, process::within},
    traces::{
        TREE,
        spans::{Span, Spans},
        trouble,
    },
};

#[tokio::test]
async fn brings_the_steps_of_a_call_to_a_collector() {
    let collector = Collector::start().await;
    let site = tracing(&collector).await;
    let gateway = site.start().await;
    trouble(&site.sandbox);

    let answer = gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;

    assert_eq!((answer.status, ended.code), (200, Some(0)));
    let spans = Spans(collector.spans().iter().map(span).collect());
    assert_eq!(spans.tree(), TREE);
    let call = spans.named("call")[0];
    let records = site.journal().of_kind("outcome");
    let record = records.iter().find(|it| it["id"] == *answer.audit_id);
    assert_eq!(record.unwrap()["trace_id"], *call.trace);
    let lines = ended.stderr.lines();
    let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = lines.find(|line| line["message"] == "call answered");
    assert_eq!(line.unwrap()["trace.id"], *call.trace);
    assert!(spans.0.iter().all(|span| span.trace == call.trace));
    assert_eq!((call.kind, &*call.parent), (2, ""));
}

#[tokio::test]
async fn answers_calls_while_the_collector_is_away_and_sends_their_spans_afterwards() {
    let mut collector = Collector::start().await;
    let site = tracing(&collector).await;
    let gateway = site.start().await;
    collector.kill();

    for number in 0..20 {
        let answer = gateway.reject(&transfer(&site, "0001", number)).await;
        assert_eq!(answer.status, 200);
    }
    within(async || gateway.process.stderr().contains(AWAY)).await;
    collector.restart().await;
    let calls = || {
        let spans = collector.spans();
        spans.iter().filter(|it| it["name"] == "call").count()
    };
    within(async || calls() == 20).await;

    assert_eq!(gateway.process.stderr().matches(AWAY).count(), 1);
}

async fn tracing(collector: &Collector) -> Site {
    let site = Site::new().await;
    let traces = format!(
        "filter: trace}}, traces: {{otlp_endpoint: '{}', sample_ratio: 1}}}}\nupstream: {{connect_timeout: 500ms, attempt_timeout: 1s}}",
        collector.endpoint("/v1/traces")
    );
    site.edit("filter: trace}}", &traces);
    site
}

/// A span as the Collector's own JSON has it.
fn span(it: &Value) -> Span {
    let text = |name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let attributes = it["attributes"].as_array().cloned().unwrap_or_default();
    let attribute = |it: &Value| {
        let value = it["value"]
            .get("stringValue")
            .or(it["value"].get("intValue"));
        let value = value.unwrap().as_str().unwrap();
        (it["key"].as_str().unwrap().to_owned(), value.to_owned())
    };
    Span {
        name: text("name"),
        trace: text("traceId"),
        id: text("spanId"),
        parent: text("parentSpanId"),
        kind: it["kind"].as_i64().unwrap(),
        is_error: it["status"]["code"] == 2,
        attributes: attributes.iter().map(attribute).collect::<BTreeMap<_, _>>(),
        began: text("startTimeUnixNano").parse().unwrap(),
        ended: text("endTimeUnixNano").parse().unwrap(),
        state: text("traceState"),
    }
}

const AWAY: &str = "collector does not take traces";
