//! Why the gateway says no before anything is sent.

use crate::{
    audit::unwritable::Unwritable,
    authorization::{policy::Denial, rate::OverRate},
    identity::Unidentified,
    partner_center::way::Blocked,
    transfers::{idempotency::Repeat, places::Full, request::Malformed},
};

/// The gateway says no before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nobody knows the caller.
    #[error("the caller is not known")]
    Unidentified(#[from] Unidentified),
    /// The request cannot be understood.
    #[error("the request cannot be understood")]
    Malformed(#[from] Malformed),
    /// The account is not there, or not for this caller.
    #[error("the account is not for this caller")]
    Account,
    /// Policy says no.
    #[error("policy does not allow it")]
    Denied,
    /// The caller comes too often.
    #[error("the caller comes too often")]
    OverRate(#[from] OverRate),
    /// The caller repeats a call, and it cannot go on.
    #[error("the call is repeated")]
    Repeated(#[from] Repeat),
    /// The call came after the gateway was told to leave.
    #[error("the gateway is leaving")]
    Leaving,
    /// As many calls as may be are in flight, or as many of this caller.
    #[error("too many calls are in flight")]
    Full(#[from] Full),
    /// Partner Center is not to be asked now.
    #[error("the way to Partner Center is not clear")]
    Blocked(#[from] Blocked),
    /// It could not be written down.
    #[error("the intent could not be written down")]
    Unwritable(#[from] Unwritable),
}

impl Refusal {
    /// The word for it in a trace.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unidentified(_) => "unauthenticated",
            Self::Malformed(_) => "malformed",
            Self::Account => "account_forbidden",
            Self::Denied => "policy_denied",
            Self::OverRate(_) => "over_rate",
            Self::Repeated(_) => "repeated",
            Self::Leaving => "leaving",
            Self::Full(_) => "full",
            Self::Blocked(_) => "blocked",
            Self::Unwritable(_) => "unwritable",
        }
    }

    /// What a caller is told who is denied and named this account, or none.
    #[must_use]
    pub fn of(denial: Denial, named: Option<&str>) -> Self {
        match denial {
            // Who names an account must not learn whether there is one of that name.
            Denial::Stranger if named.is_some() => Self::Account,
            Denial::Stranger | Denial::Operation => Self::Denied,
            Denial::Account => Self::Account,
        }
    }
}
