//! Which spans there are, and what they tell: both closed sets, which the README lists.

use opentelemetry::trace::SpanKind;

/// A part of a call that takes time, in the order in which they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The whole call, from its head to its outcome on the disk.
    Call,
    /// Finding out who calls.
    Identify,
    /// Asking policy.
    Permit,
    /// Waiting for what became of the call under its key.
    Key,
    /// Writing down what is about to be sent.
    Intent,
    /// Having a token.
    Token,
    /// One request to Partner Center.
    Attempt,
    /// Finding out what became of a rejection that was not answered.
    ReadBack,
    /// Writing down what came of it.
    Outcome,
}

/// What a span tells, by the names of OpenTelemetry's conventions where they have one, and of the log where not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// `GET`, `POST`, `PATCH`; anything else is `_OTHER`.
    Method,
    /// The route of a call, without what is in it.
    Route,
    /// The path of a request, without what is in it.
    Template,
    /// The status answered.
    Status,
    /// What went wrong: a code of the gateway's, a status, or a word.
    ErrorType,
    /// The host that a request goes to.
    ServerAddress,
    /// How often the same was asked before.
    Resend,
    /// The call's ID in both of its records.
    CallId,
    /// The call's correlation ID.
    CorrelationId,
    /// What was asked for.
    Operation,
    /// Whose credentials are used.
    Account,
    /// What came of the call.
    Outcome,
}

impl Step {
    /// Every step, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Call,
        Self::Identify,
        Self::Permit,
        Self::Key,
        Self::Intent,
        Self::Token,
        Self::Attempt,
        Self::ReadBack,
        Self::Outcome,
    ];

    /// The name of its spans.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Identify => "identify",
            Self::Permit => "permit",
            Self::Key => "key",
            Self::Intent => "intent",
            Self::Token => "token",
            Self::Attempt => "attempt",
            Self::ReadBack => "read_back",
            Self::Outcome => "outcome",
        }
    }

    pub(in crate::spans) fn kind(self) -> SpanKind {
        match self {
            Self::Call => SpanKind::Server,
            Self::Attempt => SpanKind::Client,
            _ => SpanKind::Internal,
        }
    }
}

impl Attribute {
    /// Every attribute.
    pub const ALL: [Self; 12] = [
        Self::Method,
        Self::Route,
        Self::Template,
        Self::Status,
        Self::ErrorType,
        Self::ServerAddress,
        Self::Resend,
        Self::CallId,
        Self::CorrelationId,
        Self::Operation,
        Self::Account,
        Self::Outcome,
    ];

    /// Its name: <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Method => "http.request.method",
            Self::Route => "http.route",
            Self::Template => "url.template",
            Self::Status => "http.response.status_code",
            Self::ErrorType => "error.type",
            Self::ServerAddress => "server.address",
            Self::Resend => "http.request.resend_count",
            Self::CallId => "call.id",
            Self::CorrelationId => "correlation.id",
            Self::Operation => "operation",
            Self::Account => "account",
            Self::Outcome => "outcome",
        }
    }
}
