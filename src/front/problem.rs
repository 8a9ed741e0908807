//! What the gateway may have to say in its own words: what went wrong, and how that is answered.

pub mod code;
#[cfg(test)]
pub(in crate::front) mod every;

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
    pub fn row(&self) -> Row {
        let code = self.code();
        Row {
            status: code.status(),
            code: code.as_str(),
            title: code.title(),
            outcome: code.outcome(),
            forwarded: self.forwarded(),
        }
    }

    /// What happened upstream.
    #[must_use]
    pub fn forwarded(&self) -> Forwarded {
        match self {
            Self::UpstreamInvalid { forwarded }
            | Self::UpstreamTimeout { forwarded }
            | Self::AuditIncomplete { forwarded }
            | Self::Internal { forwarded } => *forwarded,
            other => match other.code().forwarded() {
                [always, ..] => *always,
                [] => Forwarded::No,
            },
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
    /// Everything that can have happened.
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Unknown];

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
    /// Every outcome, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Forwarded,
        Self::Reconciled,
        Self::Replayed,
        Self::Answered,
        Self::Refused,
        Self::Failed,
    ];

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
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        audit::search::query,
        front::problem::{code::Code, every::every},
    };

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
        502 upstream_invalid failed no
        502 upstream_invalid failed unknown
        502 upstream_unauthorized failed yes
        502 upstream_unconfirmed failed yes
        504 upstream_timeout failed no
        504 upstream_timeout failed unknown
        502 audit_incomplete failed yes
        502 audit_incomplete failed unknown
        500 internal failed no
        500 internal failed unknown
        ");
    }

    #[test]
    fn can_be_searched_for_by_every_outcome() {
        let words = Outcome::ALL.map(Outcome::as_str);

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
    fn has_a_word_and_a_problem_for_every_code() {
        let words: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut codes: Vec<Code> = every().iter().map(Problem::code).collect();
        codes.dedup();

        assert_eq!(words.len(), Code::ALL.len());
        assert_eq!(codes, Code::ALL, "every() lacks a problem");
    }

    #[test]
    fn says_of_what_went_on_upstream_what_the_table_allows() {
        for problem in every() {
            let allowed = problem.code().forwarded();
            assert!(allowed.contains(&problem.forwarded()), "{problem:?}");
        }
    }
}
