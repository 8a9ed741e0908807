//! Where the spans of calls go.

use crate::site::{Site, faults, with};

#[test]
fn reads_where_traces_go_and_of_which_calls() {
    let more = "telemetry:
  traces:
    otlp_endpoint: https://collector:4318/v1/traces
    sample_ratio: 1
    headers: {authorization: {env: BEARER}}
    propagate_upstream: true";
    let site = Site::new();
    // The base alone, as OpenTelemetry's exporters take it.
    let usual = "telemetry: {traces: {otlp_endpoint: 'http://[::1]:4318/'}}";

    let told = site.config(&with(more), &[("BEARER", "Bearer hunter2")]);
    let usual = site.config(&with(usual), &[]).traces.unwrap();
    let none = site.config(&with(""), &[]).traces;

    let told = told.traces.unwrap();
    assert!(!format!("{told:?}").contains("hunter2"));
    assert_eq!(told.collector.endpoint, "https://collector:4318/v1/traces");
    assert_eq!(told.collector.headers.len(), 1);
    assert_eq!(usual.collector.endpoint, "http://[::1]:4318/v1/traces");
    for (traces, expected) in [(told, (1.0, true)), (usual, (0.1, false))] {
        let (ratio, propagates) = expected;
        assert!((traces.sample_ratio - ratio).abs() < f64::EPSILON);
        assert_eq!(traces.propagates, propagates);
    }
    assert!(none.is_none());
}

#[test]
fn refuses_what_would_give_secrets_away_and_what_cannot_be_meant() {
    let more = "telemetry:
  traces:
    otlp_endpoint: http://collector:4318/v1/traces
    headers: {authorization: {file: DIR/secret}}
    sample_ratio: 1.5
    propagate_upstream: perhaps
    ratio: 1";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 4 faults
    config.yaml:15: telemetry.traces.otlp_endpoint: found http:// beside headers that hold secrets; accepted: https://, or http:// on loopback
    config.yaml:17: telemetry.traces.sample_ratio: found "1.5"; accepted: a number from 0 to 1
    config.yaml:18: telemetry.traces.propagate_upstream: found "perhaps"; accepted: true, false
    config.yaml:19: telemetry.traces.ratio: unknown key; accepted: ca_file, headers, otlp_endpoint, propagate_upstream, sample_ratio
    "#);
    let query = "telemetry: {traces: {otlp_endpoint: 'https://c:4318/v1/traces?key=hunter2'}}";
    insta::assert_snapshot!(faults(&with(query)), @"config.yaml:13: telemetry.traces.otlp_endpoint: found a URL with a query (not shown); accepted: a URL without one, and what is secret in headers");
}
