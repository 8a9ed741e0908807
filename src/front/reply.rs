//! What the handler says, and the HTTP answer made of it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::{
    audit::trail::Facts,
    front::{
        detail,
        problem::{Forwarded, Limit, Outcome, Problem, Row},
        rendered::Rendered,
    },
    identity::Unidentified,
    ids::RecordId,
    transfers::kept::Kept,
};

/// What the handler says.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Partner Center's answer.
    PassedOn {
        /// How it came about.
        outcome: Outcome,
        /// Its status.
        status: StatusCode,
        /// Those of its headers that callers receive.
        headers: HeaderMap,
        /// Its body, byte for byte.
        body: Bytes,
    },
    /// What a call with the same idempotency key was answered before.
    Replayed(Arc<Kept>),
    /// Records of the journal, as JSON.
    Found(Bytes),
    /// The gateway's own words.
    Problem(Problem),
}

impl Reply {
    /// Makes the HTTP answer; `audit` names the record that will tell of it.
    #[must_use]
    pub fn render(&self, facts: &Facts, audit: RecordId) -> Rendered {
        let mut rendered = match self {
            Self::PassedOn {
                outcome,
                status,
                headers,
                body,
            } => Rendered {
                status: *status,
                headers: headers.clone(),
                body: body.clone(),
                outcome: outcome.as_str(),
                code: self.code(),
                forwarded: self.forwarded(),
                audit,
            },
            Self::Replayed(kept) => Rendered {
                status: kept.status,
                headers: kept.headers.clone(),
                body: kept.body.clone(),
                outcome: Outcome::Replayed.as_str(),
                code: self.code(),
                forwarded: self.forwarded(),
                audit,
            },
            Self::Found(page) => Rendered {
                status: StatusCode::OK,
                headers: HeaderMap::from_iter([(header::CONTENT_TYPE, JSON)]),
                body: page.clone(),
                outcome: Outcome::Answered.as_str(),
                code: self.code(),
                forwarded: self.forwarded(),
                audit,
            },
            Self::Problem(problem) => render_problem(problem, facts, audit),
        };
        let headers = &mut rendered.headers;
        put(headers, CORRELATION_ID, &facts.correlation.to_string());
        if let Some(request) = facts.last_request() {
            put(headers, REQUEST_ID, &request.to_string());
        }
        put(headers, AUDIT_ID, &audit.to_string());
        headers.insert(OUTCOME, HeaderValue::from_static(rendered.outcome));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if facts.alone.get().is_some() {
            headers.insert(WARNING, HeaderValue::from_static(ALONE));
        }
        rendered
    }

    /// The gateway's own code, where the gateway speaks.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Self::PassedOn { .. } | Self::Found(_) => None,
            Self::Replayed(kept) => kept.code,
            Self::Problem(problem) => Some(problem.row().code),
        }
    }

    /// What happened upstream.
    #[must_use]
    pub fn forwarded(&self) -> Forwarded {
        match self {
            Self::PassedOn { .. } | Self::Replayed(_) => Forwarded::Yes,
            Self::Found(_) => Forwarded::No,
            Self::Problem(problem) => problem.row().forwarded,
        }
    }

    /// The outcome record of the call whose answer is given again.
    #[must_use]
    pub fn replay_of(&self) -> Option<RecordId> {
        match self {
            Self::Replayed(kept) => Some(kept.audit),
            Self::PassedOn { .. } | Self::Found(_) | Self::Problem(_) => None,
        }
    }

    /// Whether the gateway said no, rather than that it could not.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::PassedOn { .. } | Self::Replayed(_) | Self::Found(_) => false,
            Self::Problem(problem) => matches!(problem.row().outcome, Outcome::Refused),
        }
    }

    /// What was decided about the caller's wish; nothing, where it did not come to that.
    #[must_use]
    pub fn decision(&self, facts: &Facts) -> Option<&'static str> {
        match self {
            // A rule decided, and then had no room.
            Self::Problem(Problem::RateLimited {
                limit: Limit::Caller,
                ..
            }) => Some("denied"),
            _ if facts.rule.get().is_some() => Some("allowed"),
            Self::PassedOn { .. } | Self::Replayed(_) | Self::Found(_) => Some("allowed"),
            Self::Problem(problem) => match problem {
                Problem::Unauthenticated(_) => Some("unauthenticated"),
                Problem::PolicyDenied | Problem::AccountForbidden => Some("denied"),
                _ if problem.row().status.is_client_error() => Some("invalid"),
                _ => None,
            },
        }
    }
}

/// A problem's body, RFC 9457 section 3, with the members of the HTTP contract.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    code: &'a str,
    correlation_id: String,
    request_id: Option<String>,
    audit_id: String,
    forwarded: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream: Option<Upstream<'a>>,
}

#[derive(Serialize)]
struct Upstream<'a> {
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

fn render_problem(problem: &Problem, facts: &Facts, audit: RecordId) -> Rendered {
    let Row {
        status,
        code,
        title,
        outcome,
        forwarded,
    } = problem.row();
    let body = Body {
        r#type: format!("urn:partner-gateway:problem:{code}"),
        title,
        status: status.as_u16(),
        detail: detail::detail(problem),
        code,
        correlation_id: facts.correlation.to_string(),
        request_id: facts.last_request().map(|request| request.to_string()),
        audit_id: audit.to_string(),
        forwarded: forwarded.as_str(),
        upstream: upstream(problem),
    };
    // Serialising strings and numbers into memory cannot fail.
    let body = serde_json::to_vec(&body).unwrap_or_default().into();
    Rendered {
        status,
        headers: problem_headers(problem),
        body,
        outcome: outcome.as_str(),
        code: Some(code),
        forwarded,
        audit,
    }
}

fn problem_headers(problem: &Problem) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, json);
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Problem::MethodNotAllowed { allow } = problem {
        headers.insert(header::ALLOW, HeaderValue::from_static(allow));
    }
    if let Problem::Unauthenticated(why) = problem {
        let challenge = HeaderValue::from_static(challenge(*why));
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    headers
}

/// RFC 6750 section 3.1: no `error` where no credential was presented.
pub(in crate::front) fn challenge(why: Unidentified) -> &'static str {
    match why {
        Unidentified::Missing => "Bearer",
        Unidentified::Malformed => r#"Bearer error="invalid_request""#,
        Unidentified::Invalid => r#"Bearer error="invalid_token""#,
    }
}

fn upstream(problem: &Problem) -> Option<Upstream<'_>> {
    match problem {
        Problem::UpstreamUnauthorized(error) => Some(Upstream {
            status: StatusCode::UNAUTHORIZED.as_u16(),
            code: error.code.as_deref(),
            description: error.description.as_deref(),
        }),
        _ => None,
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Identifiers are hexadecimal digits and hyphens, which always fit a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const CORRELATION_ID: HeaderName = HeaderName::from_static("ms-correlationid");
const REQUEST_ID: HeaderName = HeaderName::from_static("ms-requestid");
const AUDIT_ID: HeaderName = HeaderName::from_static("gateway-audit-id");
const WARNING: HeaderName = HeaderName::from_static("gateway-warning");

/// What is warned of: other replicas could not be asked about the call's key.
pub const ALONE: &str = "idempotency-local";

const OUTCOME: HeaderName = HeaderName::from_static("gateway-outcome");
