//! The service's own log, on stderr, and the form of its metrics.
//!
//! Fields of the log are named from one list, [`FIELDS`]. Names of spans and of what they tell stand in `spans::told`.
//! Never logged: tokens, secrets, header values, bodies.

pub mod line;
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

/// The names of all fields that lines and their spans have. A test holds the code against them.
pub const FIELDS: [&str; 41] = [
    "account",
    "address",
    "audit.former_key_id",
    "audit.id",
    "audit.journal",
    "audit.key_id",
    "audit.next",
    "audit.open",
    "audit.seq",
    "audit.sink_seq",
    "audit.unsent",
    "audit.upto",
    "bucket",
    "call.id",
    "code",
    "config_reload_failed",
    "config_reloaded",
    "correlation.id",
    "customer.id",
    "duration_ms",
    "error",
    "http.status",
    "issuer",
    "issuer.keys",
    "key",
    "operation",
    "outcome",
    "path",
    "policy",
    "reason",
    "records",
    "refused",
    "sink",
    "stream",
    "token.expires_in_s",
    "token.obstacle",
    "token.retry_after_ms",
    "token.trace_id",
    "trace.id",
    "transfer.id",
    "upstream.error",
];
