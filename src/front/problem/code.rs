//! The codes that callers branch on: one table, and all that is the same for every occurrence.
//!
//! What happened this time stands in the [`Problem`] that has the code.

use http::StatusCode;

use crate::{
    command::Operation,
    front::problem::{Forwarded, Outcome, Problem},
};

/// Makes the codes of the table, so that none can be without a row, nor left out of [`Code::ALL`].
macro_rules! codes {
    ($($name:ident $status:literal $word:literal $title:literal $outcome:ident $place:ident [$($forwarded:ident)+];)+) => {
        /// What a problem is called, without what happened this time.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $name,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            const fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        status: $status,
                        word: $word,
                        title: $title,
                        outcome: Outcome::$outcome,
                        place: Place::$place,
                        forwarded: &[$(Forwarded::$forwarded,)+],
                    },)+
                }
            }
        }
    };
}

codes! {
    NotFound 404 "not_found" "No such route" Refused Calls [No];
    MethodNotAllowed 405 "method_not_allowed" "The route takes another method" Refused OtherMethods [No];
    RequestTimeout 408 "request_timeout" "The body did not come in time" Refused Calls [No];
    BodyTooLarge 413 "body_too_large" "The body is too large" Refused Calls [No];
    Unauthenticated 401 "unauthenticated" "The caller is not known" Refused Everywhere [No];
    InvalidRequest 400 "invalid_request" "The request is malformed" Refused Everywhere [No];
    InvalidCustomerId 400 "invalid_customer_id" "The customer ID is malformed" Refused Calls [No];
    InvalidTransferId 400 "invalid_transfer_id" "The transfer ID is malformed" Refused Calls [No];
    InvalidHeader 400 "invalid_header" "A header is malformed" Refused Everywhere [No];
    InvalidBody 400 "invalid_body" "The body is malformed" Refused Calls [No];
    UnsupportedMediaType 415 "unsupported_media_type" "The body is not JSON" Refused Rejecting [No];
    PolicyDenied 403 "policy_denied" "Policy does not allow this" Refused Everywhere [No];
    AccountForbidden 403 "account_forbidden" "The account is not for this caller" Refused Everywhere [No];
    RateLimited 429 "rate_limited" "Too many calls of late" Refused Everywhere [No];
    IdempotencyInProgress 409 "idempotency_in_progress" "The idempotency key is being worked on" Refused Rejecting [No];
    IdempotencyMismatch 422 "idempotency_mismatch" "The idempotency key came with another request" Refused Rejecting [No];
    TokenUnavailable 503 "token_unavailable" "No token can be had" Failed Calls [No];
    AuditUnavailable 503 "audit_unavailable" "The audit journal cannot be used" Refused Everywhere [No];
    Overloaded 503 "overloaded" "Too many calls at once" Refused Everywhere [No];
    Draining 503 "draining" "This replica is leaving" Refused Everywhere [No];
    CircuitOpen 503 "circuit_open" "What the call needs failed too often of late" Refused Calls [No];
    UpstreamUnreachable 502 "upstream_unreachable" "Partner Center cannot be reached" Failed Calls [No];
    UpstreamInvalid 502 "upstream_invalid" "Partner Center's answer is not a whole one" Failed Calls [No Unknown];
    UpstreamUnauthorized 502 "upstream_unauthorized" "Partner Center refuses the gateway's token" Failed Calls [Yes];
    UpstreamUnconfirmed 502 "upstream_unconfirmed" "Partner Center's answer does not prove the rejection" Failed Rejecting [Yes];
    UpstreamTimeout 504 "upstream_timeout" "Partner Center did not answer" Failed Calls [No Unknown];
    AuditIncomplete 502 "audit_incomplete" "The call was made, but its outcome could not be written down" Failed Calls [Yes Unknown];
    Internal 500 "internal" "A defect of the gateway" Failed Everywhere [No Unknown];
}

impl Problem {
    /// What it is called.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::NotFound => Code::NotFound,
            Self::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Self::RequestTimeout => Code::RequestTimeout,
            Self::BodyTooLarge { .. } => Code::BodyTooLarge,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::InvalidRequest(_) => Code::InvalidRequest,
            Self::InvalidCustomerId(_) => Code::InvalidCustomerId,
            Self::InvalidTransferId(_) => Code::InvalidTransferId,
            Self::InvalidHeader(_) => Code::InvalidHeader,
            Self::InvalidBody(_) => Code::InvalidBody,
            Self::UnsupportedMediaType(_) => Code::UnsupportedMediaType,
            Self::PolicyDenied => Code::PolicyDenied,
            Self::AccountForbidden => Code::AccountForbidden,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::IdempotencyInProgress => Code::IdempotencyInProgress,
            Self::IdempotencyMismatch => Code::IdempotencyMismatch,
            Self::TokenUnavailable { .. } => Code::TokenUnavailable,
            Self::AuditUnavailable(_) => Code::AuditUnavailable,
            Self::Overloaded => Code::Overloaded,
            Self::Draining => Code::Draining,
            Self::CircuitOpen { .. } => Code::CircuitOpen,
            Self::UpstreamUnreachable => Code::UpstreamUnreachable,
            Self::UpstreamInvalid { .. } => Code::UpstreamInvalid,
            Self::UpstreamUnauthorized(_) => Code::UpstreamUnauthorized,
            Self::UpstreamUnconfirmed => Code::UpstreamUnconfirmed,
            Self::UpstreamTimeout { .. } => Code::UpstreamTimeout,
            Self::AuditIncomplete { .. } => Code::AuditIncomplete,
            Self::Internal { .. } => Code::Internal,
        }
    }
}

impl Code {
    /// The word that callers see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The problem in a few words, the same for every occurrence.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().title
    }

    /// The status answered.
    #[must_use]
    pub fn status(self) -> StatusCode {
        // Every status of the table is one; its test reads them all.
        StatusCode::from_u16(self.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The value of `Gateway-Outcome`.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        self.row().outcome
    }

    /// What can have happened upstream.
    #[must_use]
    pub const fn forwarded(self) -> &'static [Forwarded] {
        self.row().forwarded
    }

    /// Whether calls for this operation can be answered so.
    #[must_use]
    pub const fn is_of(self, operation: Operation) -> bool {
        match (self.row().place, operation) {
            (Place::Everywhere, _)
            | (Place::Calls, Operation::TransfersReject | Operation::TransfersRead)
            | (Place::Rejecting, Operation::TransfersReject) => true,
            (Place::Calls, Operation::AuditRead)
            | (Place::Rejecting, Operation::TransfersRead | Operation::AuditRead)
            | (Place::OtherMethods, _) => false,
        }
    }

    /// Whether the answer says when to come again.
    #[must_use]
    pub fn tells_when_to_come_again(self) -> bool {
        matches!(
            self.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        )
    }
}

#[derive(Clone, Copy)]
struct Row {
    status: u16,
    word: &'static str,
    title: &'static str,
    outcome: Outcome,
    place: Place,
    forwarded: &'static [Forwarded],
}

/// Where a code is answered.
#[derive(Clone, Copy)]
enum Place {
    /// To whatever asks who calls.
    Everywhere,
    /// To what is about one transfer.
    Calls,
    /// To a rejection.
    Rejecting,
    /// To methods that a path does not take.
    OtherMethods,
}
