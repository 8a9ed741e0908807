//! Keys that are unknown, missing, or hold the wrong kind of value.

use crate::site::{ACCOUNTS, CALLERS, Site, faults, with};

#[test]
fn tells_every_unknown_key_with_the_nearest_name() {
    let more = "server: {lisen: 127.0.0.1:1, maxInFlight: 1, max_in_flights: 1}
admin: {LISTEN: 127.0.0.1:1}
servr: {}
clinet: {}
telemetry: {logs: {format: json}, log: {fromat: json}}
upstream: {circuit_breaker: {windows: 10s}}";

    insta::assert_snapshot!(faults(&with(more)), @"
    config.yaml: 9 faults
    config.yaml:13: server.lisen: unknown key; nearest: listen
    config.yaml:13: server.maxInFlight: unknown key; nearest: max_in_flight
    config.yaml:13: server.max_in_flights: unknown key; nearest: max_in_flight
    config.yaml:14: admin.LISTEN: unknown key; nearest: listen
    config.yaml:15: servr: unknown key; nearest: server
    config.yaml:16: clinet: unknown key; nearest: client
    config.yaml:17: telemetry.log.fromat: unknown key; nearest: format
    config.yaml:17: telemetry.logs: unknown key; nearest: log
    config.yaml:18: upstream.circuit_breaker.windows: unknown key; nearest: window
    ");
}

#[test]
fn tells_all_names_where_none_is_near() {
    insta::assert_snapshot!(faults(&with("admin: {colour: red}\nmetrics: {}\n12: x")), @"
    config.yaml: 3 faults
    config.yaml:13: admin.colour: unknown key; accepted: listen
    config.yaml:14: metrics: unknown key; accepted: accounts, admin, audit, callers, client, cluster, default_account, idempotency, policy, server, telemetry, upstream
    config.yaml:15: 12: unknown key; accepted: accounts, admin, audit, callers, client, cluster, default_account, idempotency, policy, server, telemetry, upstream
    ");
}

#[test]
fn tells_unknown_keys_of_accounts_callers_and_rules() {
    let text = format!(
        "{ACCOUNTS}    tenant: contoso.com
    endpoints: {{auhority: https://login.example.com}}
callers: {{tokens_file: DIR/tokens, token_file: DIR/tokens}}
policy:
  - name: one
    principal: [billing]
    principals: [billing]
    operations: [transfers.reject]
    customers: ['*']
    accounts: [contoso]
"
    );

    insta::assert_snapshot!(faults(&text), @"
    config.yaml: 4 faults
    config.yaml:6: accounts.contoso.tenant: unknown key; nearest: tenant_id
    config.yaml:7: accounts.contoso.endpoints.auhority: unknown key; nearest: authority
    config.yaml:8: callers.tokens_file: unknown key; nearest: token_file
    config.yaml:11: policy[0].principal: unknown key; nearest: principals
    ");
}

#[test]
fn tells_every_key_that_is_missing() {
    insta::assert_snapshot!(faults("client: {locale: en-US}\n"), @"
    config.yaml: 2 faults
    config.yaml: accounts: is missing
    config.yaml: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
    ");
    insta::assert_snapshot!(faults(&format!("accounts: {{contoso: {{}}}}\n{CALLERS}policy: [{{}}]\n")), @"
    config.yaml: 8 faults
    config.yaml:1: accounts.contoso.credential: is missing
    config.yaml:1: accounts.contoso.tenant_id: is missing; accepted: the GUID or a verified domain of one tenant
    config.yaml:1: accounts.contoso.client_id: is missing; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:3: policy[0].name: is missing
    config.yaml:3: policy[0].principals: is missing
    config.yaml:3: policy[0].operations: is missing
    config.yaml:3: policy[0].customers: is missing
    config.yaml:3: policy[0].accounts: is missing
    ");
    insta::assert_snapshot!(faults(&with("server: {tls: {}}\ntelemetry: {traces: {}}")), @"
    config.yaml: 3 faults
    config.yaml:13: server.tls.certificate_file: is missing
    config.yaml:13: server.tls.private_key_file: is missing
    config.yaml:14: telemetry.traces.otlp_endpoint: is missing
    ");
}

#[test]
fn tells_what_stands_where_another_kind_of_value_belongs() {
    let more = "server: on
admin: [127.0.0.1:1]
client: {application_name: {a: b}, locale: [en-US]}
upstream:
  deadline:
  circuit_breaker: 5
audit: {dir: ~}
telemetry: {log: json}
idempotency: [24h]";
    insta::assert_snapshot!(faults(&with(more)), @"
    config.yaml: 9 faults
    config.yaml:13: server: found a single value; accepted: a section with keys of its own
    config.yaml:14: admin: found a list; accepted: a section with keys of its own
    config.yaml:15: client.application_name: found a section; accepted: 1 to 128 visible ASCII characters
    config.yaml:15: client.locale: found a list; accepted: 1 to 128 visible ASCII characters
    config.yaml:17: upstream.deadline: found nothing; accepted: a duration from 10ms to 10m, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:18: upstream.circuit_breaker: found a single value; accepted: a section with keys of its own
    config.yaml:19: audit.dir: found nothing; accepted: a path
    config.yaml:20: telemetry.log: found a single value; accepted: a section with keys of its own
    config.yaml:21: idempotency: found a list; accepted: a section with keys of its own
    ");

    let wrong = "accounts: [contoso]\ncallers: none\npolicy: everyone\n";
    insta::assert_snapshot!(faults(wrong), @"
    config.yaml: 3 faults
    config.yaml:1: accounts: found a list; accepted: a section with keys of its own
    config.yaml:2: callers: found a single value; accepted: a section with keys of its own
    config.yaml:3: policy: found a single value; accepted: a list
    ");
    let wrong = "accounts: {contoso: x}\ncallers: []\npolicy: {name: one}\n";
    insta::assert_snapshot!(faults(wrong), @"
    config.yaml: 3 faults
    config.yaml:1: accounts.contoso: found a single value; accepted: a section with keys of its own
    config.yaml:2: callers: found a list; accepted: a section with keys of its own
    config.yaml:3: policy: found a section; accepted: a list
    ");
    let wrong = "accounts:\ncallers:\npolicy:\nserver:\n";
    insta::assert_snapshot!(faults(wrong), @"
    config.yaml: 3 faults
    config.yaml:1: accounts: found nothing; accepted: a section with keys of its own
    config.yaml:2: callers: nobody could call; accepted: issuers, mtls with server.tls.client_ca_file, token_file, or anonymous with a loopback listener
    config.yaml:3: policy: found nothing; accepted: a list
    ");
}

#[test]
fn tells_all_faults_of_a_file_at_once_in_the_order_of_lines() {
    let text = "server:
  listen: everywhere
  max_in_flight: 70000
  drain_timeout: [25s]
  tls: on
accounts:
  contoso:
    cloud: mars
    tenant_id: common
    client_id: none
    credential: {}
callers: {anonymous: maybe}
client: {application_name: 'two words'}
telemetry: {log: {format: xml}}
policy: everyone
";
    let variable = ("PARTNER_GATEWAY__AUDIT__DURABILITY", "eventual");

    insta::assert_snapshot!(Site::new().faults(text, &[variable]), @r#"
    config.yaml: 13 faults
    config.yaml:2: server.listen: found "everywhere"; accepted: an IP address and a port, such as 127.0.0.1:8080
    config.yaml:3: server.max_in_flight: found "70000"; accepted: a number from 1 to 65535
    config.yaml:4: server.drain_timeout: found a list; accepted: a duration from 0 to 1h, written such as 500ms, 30s, 5m, 1h, 400d
    config.yaml:5: server.tls: found a single value; accepted: a section with keys of its own
    config.yaml:8: accounts.contoso.cloud: found "mars"; accepted: global, china, germany, us_government
    config.yaml:9: accounts.contoso.tenant_id: found "common"; accepted: the GUID or a verified domain of one tenant
    config.yaml:10: accounts.contoso.client_id: found "none"; accepted: a GUID of 8-4-4-4-12 hexadecimal digits, not all zero
    config.yaml:11: accounts.contoso.credential: found none; accepted: exactly one of client_secret, certificate, federated_token
    config.yaml:12: callers.anonymous: found "maybe"; accepted: true, false
    config.yaml:13: client.application_name: found "two words"; accepted: 1 to 128 visible ASCII characters
    config.yaml:14: telemetry.log.format: found "xml"; accepted: json, text
    config.yaml:15: policy: found a single value; accepted: a list
    PARTNER_GATEWAY__AUDIT__DURABILITY: audit.durability: found "eventual"; accepted: strict, relaxed
    "#);
}
