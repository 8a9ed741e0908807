//! How a call ended upstream.

use crate::partner_center::{answer::Answer, attempt::Hindrance, wire::ErrorBody};

/// How a call ended upstream.
#[derive(Debug)]
pub enum Verdict {
    /// Partner Center answered 200 and its body proves the rejection.
    Rejected(Answer),
    /// The transfer was found rejected after nobody knew; the body is the one that was read.
    Reconciled(Answer),
    /// Partner Center answered something else, which is passed on as it is.
    Answered(Answer),
    /// Partner Center answered 200, but neither its body nor a look at the transfer proves the rejection.
    Unconfirmed,
    /// Partner Center refused the gateway's own token.
    Unauthorized(ErrorBody),
    /// Nothing was sent.
    NotMade(Hindrance),
    /// No connection could be had; nothing was sent.
    Unreachable,
    /// A rejection was sent, and nobody knows what became of it.
    Unknown(Doubt),
    /// A transfer was to be read, and no whole answer came; nothing can have changed.
    Unread(Doubt),
}

/// Why nobody knows what became of a request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// No answer came, or one that speaks for somebody else.
    Silent,
    /// What came is not a whole answer.
    Invalid,
}

impl Verdict {
    /// Why nobody knows, where nobody does.
    #[must_use]
    pub fn doubt(&self) -> Option<Doubt> {
        match self {
            Self::Unknown(doubt) => Some(*doubt),
            _ => None,
        }
    }

    /// The verdict on a call that had been asked before, with that verdict: one of which nobody knows is
    /// settled only by what tells of the transfer itself, and a later failure to ask does not unsay an
    /// earlier answer.
    #[must_use]
    pub fn given(self, before: Option<Self>) -> Self {
        match (before, self) {
            (Some(Self::Unknown(doubt)), now) if !now.tells_of_the_transfer() => {
                Self::Unknown(doubt)
            }
            (Some(before), Self::NotMade(_) | Self::Unreachable) => before,
            (_, now) => now,
        }
    }

    fn tells_of_the_transfer(&self) -> bool {
        match self {
            Self::Rejected(_) | Self::Reconciled(_) | Self::Unconfirmed => true,
            Self::Answered(answer) => answer.rules_a_rejection_out(),
            _ => false,
        }
    }
}
