//! What the configuration refuses, and in which words.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

#[path = "config_faults/accounts.rs"]
mod accounts;
#[path = "config_faults/callers.rs"]
mod callers;
#[path = "config_faults/cluster.rs"]
mod cluster;
#[path = "config_faults/credentials.rs"]
mod credentials;
#[path = "config_faults/environment.rs"]
mod environment;
#[path = "config_faults/issuers.rs"]
mod issuers;
#[path = "config_faults/keys.rs"]
mod keys;
#[path = "config_faults/mended.rs"]
mod mended;
#[path = "config_faults/noticed.rs"]
mod noticed;
#[path = "config_faults/policy.rs"]
mod policy;
#[path = "config_faults/refresh_token.rs"]
mod refresh_token;
#[path = "config_faults/secrets.rs"]
mod secrets;
#[path = "config_faults/shipped.rs"]
mod shipped;
#[path = "config_faults/sinks.rs"]
mod sinks;
#[path = "config_faults/site.rs"]
mod site;
#[path = "config_faults/tls.rs"]
mod tls;
#[path = "config_faults/traces.rs"]
mod traces;
#[path = "config_faults/values.rs"]
mod values;
#[path = "config_faults/yaml.rs"]
mod yaml;
