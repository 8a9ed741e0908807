//! What a trip to the token endpoint without a token means for the next one.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::token::{
    cell::TokenUnavailable, grant::GrantError, mark::Marks, refusal::Refusal, standing::Obstacle,
};

/// Why there is no new token, and until when the token endpoint is left alone.
#[derive(Debug)]
pub(in crate::token) struct Setback {
    cause: Arc<GrantError>,
    obstacle: Obstacle,
    until: Instant,
    may_be_mended: bool,
    marks: Option<Marks>,
}

impl Setback {
    /// Weighs an error met `now` after so many failures; `marks` are of what it was met with.
    pub(in crate::token) fn after(
        error: GrantError,
        failures: u32,
        marks: Option<Marks>,
        now: Instant,
    ) -> Self {
        let obstacle = obstacle(&error);
        Self {
            obstacle,
            until: now + wait(&error, obstacle, failures),
            may_be_mended: obstacle != Obstacle::Throttled
                && (error.is_permanent() || error.is_about_the_credential()),
            cause: Arc::new(error),
            marks,
        }
    }

    pub(in crate::token) fn cause(&self) -> &GrantError {
        &self.cause
    }

    pub(in crate::token) fn obstacle(&self) -> Obstacle {
        self.obstacle
    }

    /// The first code of Entra ID's, where it refused with one.
    pub(in crate::token) fn code(&self) -> Option<u64> {
        let refusal = self.cause.refusal()?;
        refusal.error_codes.first().copied()
    }

    pub(in crate::token) fn holds(&self, now: Instant) -> bool {
        self.until > now
    }

    /// Whether a change of the credential would end it early; what the token endpoint asked for holds
    /// whatever the credential.
    pub(in crate::token) fn may_be_mended(&self) -> bool {
        self.may_be_mended
    }

    /// Whether the credential has changed since, or the consent where that was wanting. What cannot be
    /// read has not: no trip is worth it.
    pub(in crate::token) fn is_mended(&self, marks: Option<Marks>) -> bool {
        let Some(now) = marks.filter(|_| self.may_be_mended) else {
            return false;
        };
        let Some(then) = self.marks else {
            return true;
        };
        // Each use changes a refresh token, so that another one is there means something here alone.
        let wanting = self.obstacle == Obstacle::ConsentRequired;
        now.credential != then.credential || (wanting && now.consent != then.consent)
    }

    pub(in crate::token) fn unavailable(&self, now: Instant) -> TokenUnavailable {
        TokenUnavailable {
            cause: Arc::clone(&self.cause),
            retry_after: self.until.saturating_duration_since(now),
        }
    }
}

fn obstacle(error: &GrantError) -> Obstacle {
    if error.refusal().is_some_and(Refusal::is_throttle) {
        Obstacle::Throttled
    } else if error.needs_consent() {
        Obstacle::ConsentRequired
    } else {
        Obstacle::Failing
    }
}

/// How long to leave the token endpoint alone: as long as it asked for, a minute where it did not say or
/// only a person can help, else a growing time with jitter.
fn wait(error: &GrantError, obstacle: Obstacle, failures: u32) -> Duration {
    if let Some(asked) = error.retry_after() {
        return asked.max(SHORTEST);
    }
    if obstacle == Obstacle::Throttled {
        return THROTTLED;
    }
    if error.is_permanent() {
        return PERMANENT;
    }
    let grown = FIRST.saturating_mul(2_u32.saturating_pow(failures.min(8)));
    grown.min(LONGEST).mul_f64(1.0 + JITTER * fastrand::f64())
}

/// Microsoft asks for at least five seconds before the first repeat.
pub(in crate::token) const FIRST: Duration = Duration::from_secs(5);

/// The longest the gateway stays away without being asked to.
const LONGEST: Duration = Duration::from_mins(1);

/// What Entra ID asks of an application that it throttles, where it asks for anything.
const THROTTLED: Duration = Duration::from_mins(1);

/// How long an error that needs a person is remembered.
const PERMANENT: Duration = Duration::from_mins(1);

/// `Retry-After: 0` must not turn into a storm.
const SHORTEST: Duration = Duration::from_secs(1);

/// The share by which setbacks of many replicas are spread.
const JITTER: f64 = 0.2;
