//! Who this process is among those that share a store, and whose claim it has seen there.
//!
//! A claim's time is counted by the looker's own clock from when it was first seen, as Kubernetes' own leader election
//! does: no two clocks need agree, and a claim that does not end is its holder's crash.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

/// This process, with the claim of another that it saw last.
#[derive(Debug)]
pub(in crate::token::refresh_store) struct Claimant {
    holder: String,
    sighted: Mutex<Option<Sighting>>,
}

/// Another process's claim, and when it was first seen.
#[derive(Debug)]
struct Sighting {
    claim: String,
    first: Instant,
}

impl Claimant {
    pub(in crate::token::refresh_store) fn new() -> Self {
        Self {
            holder: Uuid::new_v4().to_string(),
            sighted: Mutex::default(),
        }
    }

    /// A new claim: the holder and, behind a slash, the claim's own name.
    pub(in crate::token::refresh_store) fn claim(&self) -> String {
        format!("{}/{}", self.holder, Uuid::new_v4())
    }

    /// Whether nobody else presents the token: no claim stands, or one of this process whose answer was lost, or one
    /// that has stood for longer than a living holder lets it.
    pub(in crate::token::refresh_store) fn may_claim(&self, standing: Option<&str>) -> bool {
        let mut sighted = self.sighted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(claim) = standing.filter(|claim| !self.is_own(claim)) else {
            *sighted = None;
            return true;
        };
        if let Some(seen) = sighted.as_ref().filter(|seen| seen.claim == claim) {
            return seen.first.elapsed() >= CLAIM_LASTS;
        }
        *sighted = Some(Sighting {
            claim: claim.to_owned(),
            first: Instant::now(),
        });
        false
    }

    fn is_own(&self, claim: &str) -> bool {
        let holder = claim.split_once('/').map_or(claim, |(holder, _)| holder);
        holder == self.holder
    }
}

/// Waits before a claim of somebody else's is looked at again.
pub(in crate::token::refresh_store) async fn between_looks() {
    let jitter = BETWEEN_LOOKS.mul_f64(fastrand::f64());
    tokio::time::sleep(BETWEEN_LOOKS + jitter).await;
}

/// How long a claim stands before others take its holder for dead. By [`LATEST_PRESENTATION`] the token
/// is presented, twice where an assertion was too old, each time with 5 s for files and 10 s for the
/// token endpoint.
const CLAIM_LASTS: Duration = Duration::from_secs(40);

/// A claim that took longer to write leaves no time to present the token.
pub(in crate::token::refresh_store) const LATEST_PRESENTATION: Duration = Duration::from_secs(8);

/// Longer than a claim stands, so that who waits for a holder that died goes on in its place.
pub(in crate::token::refresh_store) const LONGEST_WAIT: Duration = Duration::from_secs(50);

/// How often a claim of somebody else's is looked at, and as much again by chance.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// Others write what only tokens stand in hardly ever.
pub(in crate::token::refresh_store) const TRIES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn takes_a_holder_for_dead_40_s_after_its_claim_was_first_seen() {
        let (one, other) = (Claimant::new(), Claimant::new());
        let (first, second) = (one.claim(), one.claim());
        assert!(other.may_claim(None));
        assert!(one.may_claim(Some(&first)), "its own");

        let mut seen = vec![other.may_claim(Some(&first))];
        for (wait, claim) in [(39, &first), (1, &second), (39, &second), (1, &second)] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            seen.push(other.may_claim(Some(claim)));
        }

        assert_eq!(seen, [false, false, false, false, true]);
    }
}
