//! The service's own log, on stderr, and the form of its metrics.
//!
//! Fields are named from one list: `call.id`, `correlation.id`, `customer.id`, `transfer.id`,
//! `account`, `operation`, `http.status`, `outcome`, `code`, `duration_ms`, `upstream.status`,
//! `upstream.error`, `audit.id`, `audit.seq`, `audit.upto`, `audit.unsent`, `audit.open`, `sink`, `refused`, `path`, `error`, `address`, `issuer`, `issuer.keys`, `reason`, `policy`, `key`,
//! `config_reloaded`, `config_reload_failed`, `token.expires_in_s`, `token.obstacle`,
//! `token.retry_after_ms`, `token.trace_id`.
//! Never logged: tokens, secrets, header values, bodies.

pub mod log;
pub mod metrics;
pub mod reloads;

/// What the room needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How a line looks.
    pub format: Format,
    /// Directives such as `info` or `partner_gateway=debug`.
    pub filter: String,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}
