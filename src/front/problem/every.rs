//! A problem of every kind, for tests that go through all of them.

use std::time::Duration;

use crate::{
    front::problem::{Access, Circuit, Limit, Problem, code::Code},
    identity::Unidentified,
    partner_center::wire::ErrorBody,
};

/// Every problem, in the order of the table; those with a fate once for each that they can have.
pub(in crate::front) fn every() -> Vec<Problem> {
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
    ];
    let fates = |code: Code| code.forwarded().iter().copied();
    every.extend(
        fates(Code::UpstreamInvalid).map(|forwarded| Problem::UpstreamInvalid { forwarded }),
    );
    every.extend([
        Problem::UpstreamUnauthorized(ErrorBody::default()),
        Problem::UpstreamUnconfirmed,
    ]);
    every.extend(
        fates(Code::UpstreamTimeout).map(|forwarded| Problem::UpstreamTimeout { forwarded }),
    );
    every.extend(
        fates(Code::AuditIncomplete).map(|forwarded| Problem::AuditIncomplete { forwarded }),
    );
    every.extend(fates(Code::Internal).map(|forwarded| Problem::Internal { forwarded }));
    every
}
