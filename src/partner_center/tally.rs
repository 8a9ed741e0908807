//! What came of an account's requests, counted for those who watch the gateway.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use crate::{
    measure::{Counts, Distribution, TIMES},
    partner_center::{
        plan::Attempt,
        wire::{NO_MFA, WRONG_AUDIENCE, request::Ask},
    },
};

/// What came of an account's requests, and how long each took.
#[derive(Debug)]
pub struct Tally {
    requests: Mutex<BTreeMap<(Ask, Ending), Distribution>>,
    /// How long attempts waited for a token, whether one came or not.
    pub(in crate::partner_center) token_waits: Distribution,
    useless: Mutex<BTreeMap<&'static str, u64>>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// With an answer of this status.
    Status(u16),
    /// Without a whole answer, by the name that records have for the reason.
    Broken(&'static str),
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            requests: Mutex::default(),
            token_waits: Distribution::of(TIMES),
            useless: Mutex::default(),
        }
    }
}

impl Tally {
    /// Counts a request.
    pub(in crate::partner_center) fn note(&self, ask: Ask, ended: &Attempt) {
        let ending = match (ended.status, ended.error) {
            (Some(status), _) => Ending::Status(status),
            (None, reason) => Ending::Broken(reason.unwrap_or_default()),
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests
            .entry((ask, ending))
            .or_insert_with(|| Distribution::of(TIMES))
            .took(ended.took);
    }

    /// Counts a token that Partner Center refused for what no fresh one mends.
    pub(in crate::partner_center) fn note_useless(&self, code: Option<&str>) {
        let known = [WRONG_AUDIENCE, NO_MFA];
        let Some(code) = known.into_iter().find(|known| code == Some(*known)) else {
            return;
        };
        let mut useless = self.useless.lock().unwrap_or_else(PoisonError::into_inner);
        let count = useless.entry(code).or_default();
        *count = count.saturating_add(1);
    }

    /// How long requests took, by what was asked and how they ended.
    #[must_use]
    pub fn requests(&self) -> Vec<(Ask, Ending, Counts)> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let told = requests.iter();
        told.map(|((ask, ending), times)| (*ask, *ending, times.so_far()))
            .collect()
    }

    /// How long attempts waited for a token, whether one came or not.
    #[must_use]
    pub fn token_waits(&self) -> Counts {
        self.token_waits.so_far()
    }

    /// How many tokens Partner Center refused with 900420, and how many with 900421.
    #[must_use]
    pub fn useless_tokens(&self) -> [(&'static str, u64); 2] {
        let useless = self.useless.lock().unwrap_or_else(PoisonError::into_inner);
        [WRONG_AUDIENCE, NO_MFA].map(|code| (code, useless.get(code).copied().unwrap_or_default()))
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Broken(reason) => f.write_str(reason),
        }
    }
}
