//! Sinks of the audit journal.

use partner_gateway::{delivery::settings::Kind, secret::SecretSource};
use secrecy::ExposeSecret as _;

use crate::site::{SECRET, Site, faults, with};

#[test]
fn reads_each_kind() {
    let more = "audit:
  sinks:
    - {name: agent, kind: stdout}
    - {name: central, kind: postgres, url: {file: DIR/secret}, required: true}
    - name: collector
      kind: otlp
      endpoint: https://collector.example:4318/v1/logs
      headers: {X-Scope-OrgID: partner team, Authorization: {env: BEARER}}
    - {name: local, kind: otlp, endpoint: 'http://[::1]:4318/v1/logs', headers: {authorization: {env: BEARER}}}
    - {name: plain, kind: otlp, endpoint: 'http://collector:4318/v1/logs', headers: }";
    let site = Site::new();

    let loaded = site
        .load(&with(more), &[("BEARER", "Bearer hunter2")])
        .unwrap();

    insta::assert_snapshot!(site.notices_of(&loaded), @"config.yaml:22: audit.sinks[4].endpoint: audit records go over the network unencrypted");
    let sinks = &loaded.config.sinks;
    let seen: Vec<_> = sinks
        .iter()
        .map(|sink| (&*sink.name, sink.kind.word(), sink.is_required))
        .collect();
    let expected = [
        ("agent", "stdout", false),
        ("central", "postgres", true),
        ("collector", "otlp", false),
        ("local", "otlp", false),
        ("plain", "otlp", false),
    ];
    assert_eq!(seen, expected);
    assert_eq!(loaded.config.audit.required_sinks, ["central"]);
    let Kind::Otlp(collector) = &sinks[2].kind else {
        panic!("a collector")
    };
    assert_eq!(collector.endpoint, "https://collector.example:4318/v1/logs");
    let headers: Vec<_> = collector
        .headers
        .iter()
        .map(|(name, value)| match value {
            SecretSource::Value(value) => (name.as_str(), value.expose_secret()),
            SecretSource::File(_) => panic!("no file"),
        })
        .collect();
    assert_eq!(
        headers,
        [
            ("x-scope-orgid", "partner team"),
            ("authorization", "Bearer hunter2")
        ]
    );
    assert!(!format!("{sinks:?}").contains(SECRET));
}

#[test]
fn has_no_sink_where_none_is_told() {
    for more in ["", "audit: {sinks: []}"] {
        let config = Site::new().config(&with(more), &[]);

        assert!(config.sinks.is_empty());
        assert!(config.audit.required_sinks.is_empty());
    }
}

#[test]
fn refuses_names_kinds_and_keys_that_do_not_fit() {
    let more = "audit:
  sinks:
    - {name: ../etc, kind: stdout}
    - {name: Agent, kind: stdout, required: true}
    - {name: twice, kind: stdout, url: x, ca_file: x}
    - {name: twice, kind: otlp, url: {file: DIR/secret}}
    - {name: _a, kind: kafka, endpoint: x, colour: red}
    - {kind: postgres, url: postgres://user:hunter2@db/audit, headers: {}}
    - {name: stream, kind: nats}
    - stdout";

    let told = faults(&with(more));

    assert!(!told.contains(SECRET));
    insta::assert_snapshot!(told, @r#"
    config.yaml: 18 faults
    config.yaml:15: audit.sinks[0].name: found "../etc"; accepted: 1 to 64 small letters, digits, hyphens and underscores
    config.yaml:16: audit.sinks[1].name: found "Agent"; accepted: 1 to 64 small letters, digits, hyphens and underscores
    config.yaml:16: audit.sinks[1].kind: found stdout for a second sink; accepted: one such sink
    config.yaml:16: audit.sinks[1].required: found true for the standard output; accepted: false, because nobody acknowledges what stands there
    config.yaml:17: audit.sinks[2].url: has no meaning for this kind; accepted: name, kind, required
    config.yaml:17: audit.sinks[2].ca_file: has no meaning for this kind; accepted: name, kind, required
    config.yaml:17: audit.sinks[2].kind: found stdout for a second sink; accepted: one such sink
    config.yaml:18: audit.sinks[3].name: found "twice", the name of another sink; accepted: a name of its own
    config.yaml:18: audit.sinks[3].url: has no meaning for this kind; accepted: name, kind, required, endpoint, headers, ca_file
    config.yaml:18: audit.sinks[3].endpoint: is missing
    config.yaml:19: audit.sinks[4].name: found "_a"; accepted: 1 to 64 small letters, digits, hyphens and underscores
    config.yaml:19: audit.sinks[4].kind: found "kafka"; accepted: stdout, otlp, postgres, nats
    config.yaml:19: audit.sinks[4].colour: unknown key; accepted: ca_file, endpoint, headers, kind, name, required, url
    config.yaml:20: audit.sinks[5].name: is missing
    config.yaml:20: audit.sinks[5].headers: has no meaning for this kind; accepted: name, kind, required, url, ca_file
    config.yaml:20: audit.sinks[5].url: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:21: audit.sinks[6].kind: nats without cluster.nats; accepted: both, or another kind
    config.yaml:22: audit.sinks[7]: found a single value; accepted: a section with keys of its own
    "#);
}

#[test]
fn refuses_endpoints_and_headers_that_would_not_do_or_would_tell_a_secret() {
    let more = "audit:
  sinks:
    - {name: a, kind: otlp, endpoint: 'https://collector'}
    - {name: b, kind: otlp, endpoint: 'https://u:hunter2@collector/v1/logs'}
    - {name: c, kind: otlp, endpoint: 'https://collector/v1/logs?key=hunter2'}
    - {name: d, kind: otlp, endpoint: 'grpc://collector/v1/logs'}
    - {name: e, kind: otlp, endpoint: 'http://collector/v1/logs', headers: {x-team: {file: DIR/secret}}}
    - {name: f, kind: otlp, endpoint: 'http://127.0.0.1/v1/logs', ca_file: DIR/secret}
    - name: g
      kind: otlp
      endpoint: https://collector/v1/logs
      headers:
        Authorization: Bearer hunter2
        x-api-key: hunter2
        dd-key: hunter2
        Content-Type: text/plain
        x-tenant: \"a\\nb\"
        X-Tenant: b
        'x tenant': c
        x-list: [a]";

    let told = faults(&with(more));

    assert!(!told.contains(SECRET));
    insta::assert_snapshot!(told, @r#"
    config.yaml: 15 faults
    config.yaml:15: audit.sinks[0].endpoint: found "https://collector"; accepted: a URL with its path, such as https://collector:4318/v1/logs
    config.yaml:16: audit.sinks[1].endpoint: found a URL with a user name or password; accepted: a URL with its path, such as https://collector:4318/v1/logs
    config.yaml:17: audit.sinks[2].endpoint: found a URL with a query (not shown); accepted: a URL without one, and what is secret in headers
    config.yaml:18: audit.sinks[3].endpoint: found "grpc://collector/v1/logs"; accepted: a URL with its path, such as https://collector:4318/v1/logs
    config.yaml:19: audit.sinks[4].endpoint: found http:// beside headers that hold secrets; accepted: https://, or http:// on loopback
    config.yaml:20: audit.sinks[5].ca_file: "DIR/secret" holds no certificate; accepted: PEM
    config.yaml:20: audit.sinks[5].ca_file: has no meaning for http://; accepted: an https:// endpoint
    config.yaml:25: audit.sinks[6].headers.Authorization: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:26: audit.sinks[6].headers.x-api-key: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:27: audit.sinks[6].headers.dd-key: a secret is never written here (not shown); accepted: {file: PATH} or {env: NAME}
    config.yaml:28: audit.sinks[6].headers.Content-Type: not a header that can be set; accepted: the name of a header that the sink does not set itself
    config.yaml:29: audit.sinks[6].headers.x-tenant: found "a\nb"; accepted: the value of a header, or {file: PATH} or {env: NAME}
    config.yaml:30: audit.sinks[6].headers.X-Tenant: stands there twice; accepted: each header once
    config.yaml:31: audit.sinks[6].headers.x tenant: not a header that can be set; accepted: the name of a header that the sink does not set itself
    config.yaml:32: audit.sinks[6].headers.x-list: found a list; accepted: the value of a header, or {file: PATH} or {env: NAME}
    "#);
}
