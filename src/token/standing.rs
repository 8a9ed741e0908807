//! How one credential's tokens stand, for those who watch the gateway.

use std::{fmt, time::Duration};

/// How one credential's tokens stand at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether a token was ever had since the start.
    pub obtained_once: bool,
    /// How long the token at hand lives on; nothing where there is none.
    pub left: Option<Duration>,
    /// What the last trip to the token endpoint met, unless it brought a token.
    pub obstacle: Option<Obstacle>,
    /// The first code of Entra ID's with which it refused then.
    pub code: Option<u64>,
    /// How many calls wait for a token.
    pub waiters: usize,
    /// The trips to the token endpoint so far.
    pub refreshes: Refreshes,
}

/// What stands in the way of a new token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The token endpoint wants to be left alone for a while.
    Throttled,
    /// No token came, for any other reason.
    Failing,
    /// A person must sign in and consent again.
    ConsentRequired,
}

/// Trips to the token endpoint, counted by their result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshes {
    /// A token came.
    pub obtained: u64,
    /// The token endpoint wanted to be left alone.
    pub throttled: u64,
    /// No token came, for any other reason.
    pub failed: u64,
    /// A person must sign in and consent again.
    pub consent_required: u64,
}

impl Standing {
    /// Whether a person must sign in and consent again.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.obstacle == Some(Obstacle::ConsentRequired)
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.needs_consent() {
            f.write_str("consent_required: a person must sign in and consent again; ")?;
        }
        match self.left.filter(|left| !left.is_zero()) {
            Some(left) => write!(f, "token good for {} s", left.as_secs())?,
            None if self.obtained_once => f.write_str("no token")?,
            None => f.write_str("no token yet")?,
        }
        match self.obstacle {
            Some(Obstacle::Throttled) => {
                f.write_str("; the token endpoint asks to be left alone")?;
            }
            Some(Obstacle::Failing) => f.write_str("; the last attempt at a new one failed")?,
            Some(Obstacle::ConsentRequired) | None => {}
        }
        match (self.obstacle, self.code) {
            (Some(_), Some(code)) => write!(f, ": AADSTS{code}"),
            (Some(Obstacle::Failing), None) => f.write_str(", the log says why"),
            _ => Ok(()),
        }
    }
}

impl Obstacle {
    /// The name that operators read.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Failing => "failing",
            Self::ConsentRequired => "consent_required",
        }
    }
}

impl Refreshes {
    /// Counts one that met an obstacle.
    pub(in crate::token) fn note(&mut self, obstacle: Obstacle) {
        let count = match obstacle {
            Obstacle::Throttled => &mut self.throttled,
            Obstacle::Failing => &mut self.failed,
            Obstacle::ConsentRequired => &mut self.consent_required,
        };
        *count = count.saturating_add(1);
    }

    /// Each count under the name of its result.
    #[must_use]
    pub fn by_result(self) -> [(&'static str, u64); 4] {
        let Self {
            obtained,
            throttled,
            failed,
            consent_required,
        } = self;
        [
            ("obtained", obtained),
            ("throttled", throttled),
            ("failed", failed),
            ("consent_required", consent_required),
        ]
    }
}
