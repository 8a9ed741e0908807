//! The words of a problem's `detail`: what happened and what to do, never more than the caller may
//! know.

use crate::{
    front::{
        circuit::Circuit,
        problem::{Access, Forwarded, Limit, Problem},
    },
    identity::Unidentified,
    partner_center::wire::{ErrorBody, NO_MFA, WRONG_AUDIENCE},
};

/// Says what happened this time.
#[must_use]
pub fn detail(problem: &Problem) -> String {
    match problem {
        Problem::NotFound => "No route has this path. Paths are taken as they stand.".to_owned(),
        Problem::MethodNotAllowed { allow } => format!("This route takes {allow}."),
        Problem::RequestTimeout => "Send the body together with the head.".to_owned(),
        Problem::BodyTooLarge { limit_bytes } => {
            format!("A body may have at most {limit_bytes} bytes.")
        }
        Problem::Unauthenticated(Unidentified::Missing) => {
            "No credential was presented.".to_owned()
        }
        Problem::Unauthenticated(Unidentified::Malformed) => {
            "The credential is not exactly one bearer token.".to_owned()
        }
        Problem::Unauthenticated(Unidentified::Invalid) => {
            "The credential is not valid.".to_owned()
        }
        Problem::InvalidRequest(why)
        | Problem::InvalidCustomerId(why)
        | Problem::InvalidTransferId(why)
        | Problem::InvalidHeader(why)
        | Problem::InvalidBody(why)
        | Problem::UnsupportedMediaType(why) => sentence(why),
        Problem::PolicyDenied => "No rule allows this caller this operation here.".to_owned(),
        Problem::AccountForbidden => {
            "The account does not exist or is not for this caller.".to_owned()
        }
        Problem::RateLimited {
            limit: Limit::Caller,
            ..
        } => "Wait as long as Retry-After says.".to_owned(),
        Problem::RateLimited {
            limit: Limit::PartnerCenter,
            ..
        } => "Partner Center limits calls for this customer; wait as long as Retry-After says. \
              Nothing was sent."
            .to_owned(),
        Problem::IdempotencyInProgress => {
            "The first request with this key has not ended; repeat this one later.".to_owned()
        }
        Problem::IdempotencyMismatch => "Use a new key for a new request.".to_owned(),
        Problem::TokenUnavailable { .. } => {
            "The gateway could get no token for Partner Center; nothing was sent.".to_owned()
        }
        Problem::AuditUnavailable(Access::Writing) => {
            "What cannot be written down is not done; nothing was sent.".to_owned()
        }
        Problem::AuditUnavailable(Access::Reading) => {
            "The journal could not be read, or not in time; nothing was sent.".to_owned()
        }
        Problem::Overloaded | Problem::Draining => "Nothing was sent; try again.".to_owned(),
        Problem::CircuitOpen { circuit, .. } => open(*circuit).to_owned(),
        upstream => of_upstream(upstream),
    }
}

fn open(circuit: Circuit) -> &'static str {
    match circuit {
        Circuit::PartnerCenter => "Nothing was sent; try again later.",
        Circuit::Replicas => {
            "Whether another replica has made this call cannot be found out now. Nothing was sent; try again later."
        }
    }
}

/// What went wrong once something was on its way.
fn of_upstream(problem: &Problem) -> String {
    match problem {
        Problem::UpstreamUnreachable => "No connection could be made; nothing was sent.".to_owned(),
        Problem::UpstreamInvalid { forwarded } => format!(
            "What came back broke off, is too large or is not HTTP. {}",
            fate(*forwarded)
        ),
        Problem::UpstreamUnauthorized(error) => unauthorized(error),
        Problem::UpstreamUnconfirmed => {
            "Partner Center answered 200, but neither its body nor the transfer, read again, shows the \
             rejection."
                .to_owned()
        }
        Problem::AuditIncomplete { forwarded } => format!(
            "The audit journal could not be written after the call. {}",
            fate(*forwarded)
        ),
        other => fate(other.row().forwarded).to_owned(),
    }
}

fn unauthorized(error: &ErrorBody) -> String {
    match error.code.as_deref() {
        Some(WRONG_AUDIENCE) => "The gateway's token is for an audience that Partner Center no \
                                 longer takes; the account's scope must be changed."
            .to_owned(),
        Some(NO_MFA) => "The gateway's token was had without multi-factor authentication; consent \
                         must be given anew, with it."
            .to_owned(),
        _ => "A fresh token was refused, too, or none could be had.".to_owned(),
    }
}

fn fate(forwarded: Forwarded) -> &'static str {
    match forwarded {
        Forwarded::No => "Nothing was sent that changes anything; trying again is safe.",
        Forwarded::Yes => "Partner Center answered the request.",
        Forwarded::Unknown => {
            "The request was sent and its outcome is not known; read the transfer before trying again."
        }
    }
}

fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}
