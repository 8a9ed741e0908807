//! What is worth telling of a configuration that is sound.

use crate::site::{ACCOUNTS, CALLERS, Site};

#[test]
fn tells_of_keys_that_have_no_effect_and_of_clouds() {
    let more = "upstream: {max_attempts: 3, retry_budget: 0.1, circuit_breaker: {window: 5s}}
audit: {retention: 30d, max_bytes: 10GiB, flush_interval: 2s}
idempotency: {ttl: 12h}
telemetry: {traces: {otlp_endpoint: 'http://collector:4318/v1/traces'}}";
    let site = Site::new();
    let notices = |cloud: &str, more: &str| {
        let accounts = ACCOUNTS.replace(
            "    tenant_id",
            &format!("    cloud: {cloud}\n    tenant_id"),
        );
        site.notices(&format!("{accounts}{CALLERS}{more}\n"))
    };

    insta::assert_snapshot!(notices("germany", more), @"
    config.yaml: policy: no rule grants anything, so every call is refused
    config.yaml:3: accounts.contoso.cloud: this cloud closed in October 2021
    config.yaml:9: audit.flush_interval: has no effect while audit.durability is strict
    config.yaml:11: telemetry.traces.otlp_endpoint: traces of calls go over the network unencrypted
    ");
    insta::assert_snapshot!(notices("china", ""), @"
    config.yaml: policy: no rule grants anything, so every call is refused
    config.yaml:3: accounts.contoso.cloud: Microsoft documents transfers for the public cloud only
    ");
    insta::assert_snapshot!(notices("us_government", ""), @"
    config.yaml: policy: no rule grants anything, so every call is refused
    config.yaml:3: accounts.contoso.cloud: Microsoft documents transfers for the public cloud only
    ");
}
