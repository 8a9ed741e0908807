//! The complete table of problems: one exhaustive match from what went wrong to what is answered.

use std::time::Duration;

use http::StatusCode;

use crate::{
    audit::trail::{Attempt, Facts},
    command::Operation,
    front::circuit::Circuit,
    identity::Unidentified,
    partner_center::wire::ErrorBody,
};

/// Everything the gateway may have to say in its own words.
#[derive(Clone, Debug)]
pub enum Problem {
    /// No such route.
    NotFound,
    /// The route takes other methods.
    MethodNotAllowed {
        /// The methods it takes.
        allow: &'static str,
    },
    /// The body did not come in time.
    RequestTimeout,
    /// The body is over the limit.
    BodyTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The caller is not known.
    Unauthenticated(Unidentified),
    /// The request's target or form.
    InvalidRequest(String),
    /// The customer's ID.
    InvalidCustomerId(String),
    /// The transfer's ID.
    InvalidTransferId(String),
    /// A header's value.
    InvalidHeader(String),
    /// The body's content.
    InvalidBody(String),
    /// The body is not JSON.
    UnsupportedMediaType(String),
    /// Policy says no.
    PolicyDenied,
    /// The account is not there, or not for this caller.
    AccountForbidden,
    /// Too many calls of late, of this caller or for this customer.
    RateLimited {
        /// Whose limit it is.
        limit: Limit,
        /// When there is room again.
        retry_after: Duration,
    },
    /// The same idempotency key is being worked on.
    IdempotencyInProgress,
    /// The same idempotency key came with another request.
    IdempotencyMismatch,
    /// No token for Partner Center can be had.
    TokenUnavailable {
        /// When asking again may help.
        retry_after: Duration,
    },
    /// The journal cannot be used; nothing was sent.
    AuditUnavailable(Access),
    /// Too many calls at once.
    Overloaded,
    /// The process is leaving.
    Draining,
    /// What the call needs failed too often of late.
    CircuitOpen {
        /// What it is.
        circuit: Circuit,
        /// When the next try is due.
        retry_after: Duration,
    },
    /// No connection to Partner Center.
    UpstreamUnreachable,
    /// Partner Center's answer is not a whole one.
    UpstreamInvalid {
        /// What happened upstream.
        forwarded: Forwarded,
    },
    /// Partner Center refuses the gateway's token.
    UpstreamUnauthorized(ErrorBody),
    /// Partner Center's 200 does not prove the rejection.
    UpstreamUnconfirmed,
    /// No answer came in time.
    UpstreamTimeout {
        /// What happened upstream.
        forwarded: Forwarded,
    },
    /// The call was made, but its outcome cannot be written.
    AuditIncomplete {
        /// What happened upstream.
        forwarded: Forwarded,
    },
    /// A defect of the gateway.
    Internal {
        /// What happened upstream.
        forwarded: Forwarded,
    },
}

/// What the journal is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To tell of the call.
    Writing,
    /// To answer from it.
    Reading,
}

/// Whose limit a call is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The rate that policy gives the caller.
    Caller,
    /// Partner Center's, for the account and the customer.
    PartnerCenter,
}

/// What happened upstream, so that a caller knows whether a retry is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarded {
    /// Nothing was sent.
    No,
    /// Partner Center answered.
    Yes,
    /// Something was sent, and nobody knows what became of it.
    Unknown,
}

/// How the answer came about, as told in `Gateway-Outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Partner Center's answer is passed on.
    Forwarded,
    /// Nobody knew, and then the transfer was found rejected.
    Reconciled,
    /// Answered as a call with the same idempotency key was before.
    Replayed,
    /// The gateway answered out of its own journal.
    Answered,
    /// The gateway said no.
    Refused,
    /// Not reached, or unknown.
    Failed,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The status answered.
    pub status: StatusCode,
    /// The code that callers branch on.
    pub code: &'static str,
    /// The problem in a few words, the same for every occurrence.
    pub title: &'static str,
    /// The value of `Gateway-Outcome`.
    pub outcome: Outcome,
    /// What happened upstream.
    pub forwarded: Forwarded,
}

impl Problem {
    /// The row of the table for this problem.
    #[must_use]
    #[rustfmt::skip]
    pub fn row(&self) -> Row {
        use Forwarded::{No, Yes};
        use Outcome::{Failed, Refused};

        match self {
            Self::NotFound => row(404, "not_found", "No such route", Refused, No),
            Self::MethodNotAllowed { .. } => row(405, "method_not_allowed", "The route takes another method", Refused, No),
            Self::RequestTimeout => row(408, "request_timeout", "The body did not come in time", Refused, No),
            Self::BodyTooLarge { .. } => row(413, "body_too_large", "The body is too large", Refused, No),
            Self::Unauthenticated(_) => row(401, "unauthenticated", "The caller is not known", Refused, No),
            Self::InvalidRequest(_) => row(400, "invalid_request", "The request is malformed", Refused, No),
            Self::InvalidCustomerId(_) => row(400, "invalid_customer_id", "The customer ID is malformed", Refused, No),
            Self::InvalidTransferId(_) => row(400, "invalid_transfer_id", "The transfer ID is malformed", Refused, No),
            Self::InvalidHeader(_) => row(400, "invalid_header", "A header is malformed", Refused, No),
            Self::InvalidBody(_) => row(400, "invalid_body", "The body is malformed", Refused, No),
            Self::UnsupportedMediaType(_) => row(415, "unsupported_media_type", "The body is not JSON", Refused, No),
            Self::PolicyDenied => row(403, "policy_denied", "Policy does not allow this", Refused, No),
            Self::AccountForbidden => row(403, "account_forbidden", "The account is not for this caller", Refused, No),
            Self::RateLimited { .. } => row(429, "rate_limited", "Too many calls of late", Refused, No),
            Self::IdempotencyInProgress => row(409, "idempotency_in_progress", "The idempotency key is being worked on", Refused, No),
            Self::IdempotencyMismatch => row(422, "idempotency_mismatch", "The idempotency key came with another request", Refused, No),
            Self::TokenUnavailable { .. } => row(503, "token_unavailable", "No token can be had", Failed, No),
            Self::AuditUnavailable(_) => row(503, "audit_unavailable", "The audit journal cannot be used", Refused, No),
            Self::Overloaded => row(503, "overloaded", "Too many calls at once", Refused, No),
            Self::Draining => row(503, "draining", "This replica is leaving", Refused, No),
            Self::CircuitOpen { .. } => row(503, "circuit_open", "What the call needs failed too often of late", Refused, No),
            Self::UpstreamUnreachable => row(502, "upstream_unreachable", "Partner Center cannot be reached", Failed, No),
            Self::UpstreamInvalid { forwarded } => row(502, "upstream_invalid", "Partner Center's answer is not a whole one", Failed, *forwarded),
            Self::UpstreamUnauthorized(_) => row(502, "upstream_unauthorized", "Partner Center refuses the gateway's token", Failed, Yes),
            Self::UpstreamUnconfirmed => row(502, "upstream_unconfirmed", "Partner Center's answer does not prove the rejection", Failed, Yes),
            Self::UpstreamTimeout { forwarded } => row(504, "upstream_timeout", "Partner Center did not answer", Failed, *forwarded),
            Self::AuditIncomplete { forwarded } => row(502, "audit_incomplete", "The call was made, but its outcome could not be written down", Failed, *forwarded),
            Self::Internal { forwarded } => row(500, "internal", "A defect of the gateway", Failed, *forwarded),
        }
    }

    /// When a repeat may help, where that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TokenUnavailable { retry_after }
            | Self::RateLimited { retry_after, .. }
            | Self::CircuitOpen { retry_after, .. } => Some(*retry_after),
            Self::AuditUnavailable(_) => Some(AUDIT_RETRY),
            Self::Overloaded | Self::Draining => Some(SOON),
            _ => None,
        }
    }

    /// The value of `Retry-After`.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after().map(whole_seconds)
    }
}

impl Forwarded {
    /// What is known of a call that did not come to its own end. What only reads changes nothing, whatever
    /// became of it.
    #[must_use]
    pub fn so_far(facts: &Facts) -> Self {
        let upstream = facts.upstream();
        let reads = facts.operation.get() == Some(&Operation::TransfersRead.as_str());
        let reached = |attempt: &Attempt| attempt.open || attempt.status.is_some();
        if !reads && (upstream.under_way.is_some() || upstream.attempts.iter().any(reached)) {
            Self::Unknown
        } else {
            Self::No
        }
    }

    /// The word used in bodies and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Yes => "yes",
            Self::Unknown => "unknown",
        }
    }
}

impl Outcome {
    /// The word used in headers and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Reconciled => "reconciled",
            Self::Replayed => "replayed",
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

fn row(
    status: u16,
    code: &'static str,
    title: &'static str,
    outcome: Outcome,
    forwarded: Forwarded,
) -> Row {
    // Every status above is one; the table's test reads them all.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Row {
        status,
        code,
        title,
        outcome,
        forwarded,
    }
}

/// Rounds up, so that a caller who waits so long does not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    let spare = u64::from(wait.subsec_nanos() > 0);
    wait.as_secs().saturating_add(spare).max(1)
}

/// A full disk is rarely mended sooner.
const AUDIT_RETRY: Duration = Duration::from_secs(5);

/// Another replica may have room at once.
const SOON: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::search::query;

    #[test]
    fn holds_the_table_of_the_contract() {
        let line = |problem: &Problem| {
            let Row {
                status,
                code,
                outcome,
                forwarded,
                ..
            } = problem.row();
            let (outcome, forwarded) = (outcome.as_str(), forwarded.as_str());
            let wait = problem
                .retry_after()
                .map_or(String::new(), |wait| format!(" {wait:?}"));
            format!("{} {code} {outcome} {forwarded}{wait}", status.as_u16())
        };
        let table: Vec<String> = every().iter().map(line).collect();

        insta::assert_snapshot!(table.join("\n"), @"
        404 not_found refused no
        405 method_not_allowed refused no
        408 request_timeout refused no
        413 body_too_large refused no
        401 unauthenticated refused no
        400 invalid_request refused no
        400 invalid_customer_id refused no
        400 invalid_transfer_id refused no
        400 invalid_header refused no
        400 invalid_body refused no
        415 unsupported_media_type refused no
        403 policy_denied refused no
        403 account_forbidden refused no
        429 rate_limited refused no 7s
        409 idempotency_in_progress refused no
        422 idempotency_mismatch refused no
        503 token_unavailable failed no 7s
        503 audit_unavailable refused no 5s
        503 overloaded refused no 1s
        503 draining refused no 1s
        503 circuit_open refused no 7s
        503 circuit_open refused no 7s
        502 upstream_unreachable failed no
        502 upstream_invalid failed unknown
        502 upstream_unauthorized failed yes
        502 upstream_unconfirmed failed yes
        504 upstream_timeout failed no
        504 upstream_timeout failed yes
        504 upstream_timeout failed unknown
        502 audit_incomplete failed no
        502 audit_incomplete failed yes
        502 audit_incomplete failed unknown
        500 internal failed no
        500 internal failed yes
        500 internal failed unknown
        ");
    }

    #[test]
    fn can_be_searched_for_by_every_outcome() {
        // A new outcome does not compile until it is among these.
        let all = |outcome| match outcome {
            Outcome::Forwarded
            | Outcome::Reconciled
            | Outcome::Replayed
            | Outcome::Answered
            | Outcome::Refused
            | Outcome::Failed => [
                Outcome::Forwarded,
                Outcome::Reconciled,
                Outcome::Replayed,
                Outcome::Answered,
                Outcome::Refused,
                Outcome::Failed,
            ],
        };

        let words = all(Outcome::Forwarded).map(Outcome::as_str);

        assert_eq!(words, query::OUTCOMES);
        let accepted = query::outcome("").unwrap_err();
        assert_eq!(accepted, words.join(", "));
    }

    #[test]
    fn tells_every_503_to_come_again_and_that_nothing_was_sent() {
        for problem in every() {
            let row = problem.row();
            let again = matches!(row.status.as_u16(), 429 | 503);
            assert_eq!(problem.retry_after().is_some(), again, "{problem:?}");
            assert!(!again || row.forwarded == Forwarded::No, "{problem:?}");
        }
    }

    #[test]
    fn gives_each_problem_a_row_and_a_code_of_its_own() {
        let mut places: Vec<usize> = every().iter().map(place).collect();
        places.dedup();
        let codes: std::collections::BTreeSet<_> = every().iter().map(|it| it.row().code).collect();

        assert_eq!(
            places,
            (0..PROBLEMS).collect::<Vec<_>>(),
            "every() lacks a problem"
        );
        assert_eq!(codes.len(), PROBLEMS);
    }

    /// Every problem, in the order of [`place`]; those with a fate once for each.
    fn every() -> Vec<Problem> {
        let words = || "words".to_owned();
        let retry_after = Duration::from_secs(7);
        let mut every = vec![
            Problem::NotFound,
            Problem::MethodNotAllowed { allow: "POST" },
            Problem::RequestTimeout,
            Problem::BodyTooLarge { limit_bytes: 4096 },
            Problem::Unauthenticated(Unidentified::Missing),
            Problem::InvalidRequest(words()),
            Problem::InvalidCustomerId(words()),
            Problem::InvalidTransferId(words()),
            Problem::InvalidHeader(words()),
            Problem::InvalidBody(words()),
            Problem::UnsupportedMediaType(words()),
            Problem::PolicyDenied,
            Problem::AccountForbidden,
            Problem::RateLimited {
                limit: Limit::Caller,
                retry_after,
            },
            Problem::IdempotencyInProgress,
            Problem::IdempotencyMismatch,
            Problem::TokenUnavailable { retry_after },
            Problem::AuditUnavailable(Access::Writing),
            Problem::Overloaded,
            Problem::Draining,
            Problem::CircuitOpen {
                circuit: Circuit::PartnerCenter,
                retry_after,
            },
            Problem::CircuitOpen {
                circuit: Circuit::Replicas,
                retry_after,
            },
            Problem::UpstreamUnreachable,
            Problem::UpstreamInvalid {
                forwarded: Forwarded::Unknown,
            },
            Problem::UpstreamUnauthorized(ErrorBody::default()),
            Problem::UpstreamUnconfirmed,
        ];
        let fates = [Forwarded::No, Forwarded::Yes, Forwarded::Unknown];
        every.extend(fates.map(|forwarded| Problem::UpstreamTimeout { forwarded }));
        every.extend(fates.map(|forwarded| Problem::AuditIncomplete { forwarded }));
        every.extend(fates.map(|forwarded| Problem::Internal { forwarded }));
        every
    }

    /// A new problem does not compile until it has its place here; then [`every`] must hold it, too.
    fn place(problem: &Problem) -> usize {
        match problem {
            Problem::NotFound => 0,
            Problem::MethodNotAllowed { .. } => 1,
            Problem::RequestTimeout => 2,
            Problem::BodyTooLarge { .. } => 3,
            Problem::Unauthenticated(_) => 4,
            Problem::InvalidRequest(_) => 5,
            Problem::InvalidCustomerId(_) => 6,
            Problem::InvalidTransferId(_) => 7,
            Problem::InvalidHeader(_) => 8,
            Problem::InvalidBody(_) => 9,
            Problem::UnsupportedMediaType(_) => 10,
            Problem::PolicyDenied => 11,
            Problem::AccountForbidden => 12,
            Problem::RateLimited { .. } => 13,
            Problem::IdempotencyInProgress => 14,
            Problem::IdempotencyMismatch => 15,
            Problem::TokenUnavailable { .. } => 16,
            Problem::AuditUnavailable(_) => 17,
            Problem::Overloaded => 18,
            Problem::Draining => 19,
            Problem::CircuitOpen { .. } => 20,
            Problem::UpstreamUnreachable => 21,
            Problem::UpstreamInvalid { .. } => 22,
            Problem::UpstreamUnauthorized(_) => 23,
            Problem::UpstreamUnconfirmed => 24,
            Problem::UpstreamTimeout { .. } => 25,
            Problem::AuditIncomplete { .. } => 26,
            Problem::Internal { .. } => 27,
        }
    }

    /// One more than the last place.
    const PROBLEMS: usize = 28;
}
