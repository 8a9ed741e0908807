//! Values out of their range, and values that do not go together.

use std::time::Duration;

use partner_gateway::partner_center::breaker;

use crate::site::{Site, faults, with};

#[test]
fn tells_the_range_of_every_value_of_the_listeners() {
    let more = "server:
  listen: localhost:8080
  max_body_bytes: 2MiB
  max_connections: 0
  max_in_flight: 70000
  header_timeout: 5x
  drain_timeout: 2h
admin: {listen: 127.0.0.1}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 7 faults
    config.yaml:14: server.listen: found "localhost:8080"; accepted: an IP address and a port, such as 127.0.0.1:8080
    config.yaml:15: server.max_body_bytes: found "2MiB"; accepted: a size from 1B to 1MiB, written such as 512B, 64KiB, 1MiB, 1GiB
    config.yaml:16: server.max_connections: found "0"; accepted: a number from 1 to 1000000
    config.yaml:17: server.max_in_flight: found "70000"; accepted: a number from 1 to 65535
    config.yaml:18: server.header_timeout: found "5x"; accepted: a duration from 100ms to 5m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:19: server.drain_timeout: found "2h"; accepted: a duration from 0 to 1h, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:20: admin.listen: found "127.0.0.1"; accepted: an IP address and a port, such as 127.0.0.1:8080
    "#);
}

#[test]
fn tells_the_range_of_every_value_of_the_upstream() {
    let more = "upstream:
  deadline: 11m
  attempt_timeout: 1.5s
  connect_timeout: 3
  max_attempts: 11
  retry_budget: NaN
  max_response_bytes: 1KiB
  circuit_breaker: {failure_ratio: 0, min_calls: -1, window: 1ms, open_for: soon}
client: {application_name: 'two words', locale: ''}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 12 faults
    config.yaml:14: upstream.deadline: found "11m"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:15: upstream.attempt_timeout: found "1.5s"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:16: upstream.connect_timeout: found "3"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:17: upstream.max_attempts: found "11"; accepted: a number from 1 to 10
    config.yaml:18: upstream.retry_budget: found "NaN"; accepted: a number from 0 to 1
    config.yaml:19: upstream.max_response_bytes: found "1KiB"; accepted: a size from 4KiB to 16MiB, written such as 512B, 64KiB, 1MiB, 1GiB
    config.yaml:20: upstream.circuit_breaker.failure_ratio: found "0"; accepted: a number from 0.01 to 1
    config.yaml:20: upstream.circuit_breaker.min_calls: found "-1"; accepted: a number from 1 to 1000000
    config.yaml:20: upstream.circuit_breaker.window: found "1ms"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:20: upstream.circuit_breaker.open_for: found "soon"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:21: client.application_name: found "two words"; accepted: 1 to 128 visible ASCII characters
    config.yaml:21: client.locale: found ""; accepted: 1 to 128 visible ASCII characters
    "#);
}

#[test]
fn hands_over_what_the_upstream_is_told_of_failing() {
    let more = "upstream:
  max_attempts: 10
  retry_budget: 0
  circuit_breaker: {failure_ratio: 0.01, min_calls: 1, window: 10ms, open_for: 10m}";

    let told = Site::new().config(&with(more), &[]);
    let untold = Site::new().config(&with(""), &[]);

    assert_eq!(told.upstream.max_attempts.get(), 10);
    assert_eq!(told.retry_budget.to_bits(), 0_f64.to_bits());
    assert_eq!(
        told.upstream.circuit,
        breaker::Settings {
            failure_ratio: 0.01,
            min_calls: 1,
            window: Duration::from_millis(10),
            open_for: Duration::from_mins(10),
        }
    );
    assert_eq!(untold.upstream.max_attempts.get(), 4);
    assert_eq!(untold.retry_budget.to_bits(), 0.2_f64.to_bits());
    assert_eq!(
        untold.upstream.circuit,
        breaker::Settings {
            failure_ratio: 0.5,
            min_calls: 20,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(5),
        }
    );
}

#[test]
fn tells_the_range_of_every_value_of_the_journal() {
    let more = "audit:
  dir: ''
  durability: eventual
  flush_interval: 2m
  segment_bytes: 2GiB
  segment_age: 1s
  checkpoint_interval: 2h
  retention: 12h
  keep_after_ack: 4000d
  max_bytes: 2TiB
  unauthenticated_rate: 0
idempotency: {ttl: 1s, max_entries: 0, without_cluster: maybe}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 13 faults
    config.yaml:14: audit.dir: found ""; accepted: a path
    config.yaml:15: audit.durability: found "eventual"; accepted: strict, relaxed
    config.yaml:16: audit.flush_interval: found "2m"; accepted: a duration from 1ms to 1m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:17: audit.segment_bytes: found "2GiB"; accepted: a size from 1MiB to 1GiB, written such as 512B, 64KiB, 1MiB, 1GiB
    config.yaml:18: audit.segment_age: found "1s"; accepted: a duration from 1m to 1d, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:19: audit.checkpoint_interval: found "2h"; accepted: a duration from 1s to 1h, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:20: audit.retention: found "12h"; accepted: a duration from 1d to 3650d, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:21: audit.keep_after_ack: found "4000d"; accepted: a duration from 0 to 3650d, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:22: audit.max_bytes: found "2TiB"; accepted: a size from 2MiB to 1024GiB, written such as 512B, 64KiB, 1MiB, 1GiB
    config.yaml:23: audit.unauthenticated_rate: found "0"; accepted: a number from 1 to 100000
    config.yaml:24: idempotency.ttl: found "1s"; accepted: a duration from 1m to 30d, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:24: idempotency.max_entries: found "0"; accepted: a number from 1 to 10000000
    config.yaml:24: idempotency.without_cluster: found "maybe"; accepted: refuse, local
    "#);
}

#[test]
fn tells_the_range_of_every_value_of_the_telemetry() {
    let more = "telemetry:
  log: {format: xml, filter: inof}
  traces: {otlp_endpoint: collector, sample_ratio: 10%}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 4 faults
    config.yaml:14: telemetry.log.format: found "xml"; accepted: json, text
    config.yaml:14: telemetry.log.filter: found "inof"; accepted: a level such as info, or directives such as info,hyper=warn
    config.yaml:15: telemetry.traces.otlp_endpoint: found "collector"; accepted: a URL with its path, such as https://collector:4318/v1/traces
    config.yaml:15: telemetry.traces.sample_ratio: found "10%"; accepted: a number from 0 to 1
    "#);
}

#[test]
fn tells_of_values_that_do_not_go_together() {
    let more = "admin: {listen: 127.0.0.1:8080}
upstream: {deadline: 10s, connect_timeout: 30s}
audit: {dir: DIR/secret, max_bytes: 64MiB, retention: 1d, keep_after_ack: 2d}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 6 faults
    config.yaml:13: admin.listen: overlaps server.listen; accepted: a port of its own
    config.yaml:14: upstream.attempt_timeout: longer than deadline; accepted: at most deadline
    config.yaml:14: upstream.connect_timeout: longer than attempt_timeout; accepted: at most attempt_timeout
    config.yaml:15: audit.dir: found "DIR/secret", which is not a directory; accepted: a directory, made when absent
    config.yaml:15: audit.keep_after_ack: longer than retention; accepted: at most retention
    config.yaml:15: audit.max_bytes: less than two segments; accepted: twice segment_bytes or more
    "#);
}

#[test]
fn compares_what_is_sound_beside_what_is_not() {
    let more = "upstream: {connect_timeout: 30s, max_attempts: 0, deadline: 5x}";

    insta::assert_snapshot!(faults(&with(more)), @r#"
    config.yaml: 3 faults
    config.yaml:13: upstream.deadline: found "5x"; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:13: upstream.max_attempts: found "0"; accepted: a number from 1 to 10
    config.yaml:13: upstream.connect_timeout: longer than attempt_timeout; accepted: at most attempt_timeout
    "#);
}

#[test]
fn cuts_what_it_quotes_and_quotes_no_control_character() {
    let long = "x".repeat(200);
    let more = format!("client: {{locale: '{long}', application_name: \"a\\nb\\u001b[31m\"}}");

    insta::assert_snapshot!(faults(&with(&more)), @r#"
    config.yaml: 2 faults
    config.yaml:13: client.application_name: found "a\nb\u{1b}[31m"; accepted: 1 to 128 visible ASCII characters
    config.yaml:13: client.locale: found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…"; accepted: 1 to 128 visible ASCII characters
    "#);
}
