//! The headers that callers may send, as documents spell them; HTTP takes them in any case.

/// The caller's correlation ID.
pub const CORRELATION_ID: &str = "MS-CorrelationId";

/// The account that the caller names.
pub const ACCOUNT: &str = "Partner-Account";

/// What the caller repeats a call under.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

/// The caller's trace, <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub const TRACEPARENT: &str = "traceparent";
/// What others on the way say of that trace.
pub const TRACESTATE: &str = "tracestate";
