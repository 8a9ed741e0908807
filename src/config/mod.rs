//! The configuration: read once, checked whole, handed out in parts.
//!
//! [`load`] is the only reader of the environment. Each room receives its own `Settings`; nothing
//! but the composition root sees [`Config`].

pub mod environment;
pub mod fault;
pub mod load;

mod accounts;
mod callers;
mod clouds;
mod cluster;
mod collector;
mod credential;
mod endpoint;
mod headers;
mod idempotency;
mod issuers;
mod journal;
mod log;
mod measure;
pub(crate) mod nearest;
mod node;
mod policy;
mod refresh_token;
mod report;
mod root;
mod scalar;
mod secret_file;
mod section;
mod server;
mod sinks;
mod stores;
mod traces;
mod upstream;
pub mod values;
pub mod watch;
mod workload_identity;
mod yaml;

use std::time::Duration;

use crate::{
    audit, authorization, delivery, front, identity, partner_center, telemetry, transfers,
};

/// Everything the gateway was told, every value legal.
#[derive(Debug)]
pub struct Config {
    /// The public listener.
    pub server: front::settings::Settings,
    /// The operator listener.
    pub admin: front::settings::AdminSettings,
    /// The accounts, at least one, in the order of the file.
    pub accounts: Vec<partner_center::AccountSettings>,
    /// The name of the account used when a caller names none; always one of `accounts`.
    pub default_account: String,
    /// How callers are known.
    pub identity: identity::Settings,
    /// What they may do.
    pub authorization: authorization::Settings,
    /// What all upstream clients have in common.
    pub upstream: partner_center::Settings,
    /// How long connecting to an upstream may take, TLS included.
    pub connect_timeout: Duration,
    /// How long a call may take upstream, tokens and repeats included.
    pub deadline: Duration,
    /// Retries as a share of the calls of all accounts, from 0 to 1.
    pub retry_budget: f64,
    /// What is kept for calls that callers repeat.
    pub idempotency: transfers::idempotency::Settings,
    /// What replicas share, where there is more than one.
    pub cluster: Option<crate::cluster::Settings>,
    /// The audit journal.
    pub audit: audit::Settings,
    /// Where records are sent, too, in the order of the file.
    pub sinks: Vec<delivery::settings::Settings>,
    /// The service's own log.
    pub telemetry: telemetry::Settings,
    /// Where the spans of calls go, if any are traced.
    pub traces: Option<delivery::spans::Settings>,
}
