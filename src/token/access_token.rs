//! An access token with the moments that matter in its life.

use std::{fmt, time::Duration};

use http::HeaderValue;
use tokio::time::Instant;

/// A token for Partner Center, ready to be sent.
///
/// `Debug` shows its name and moments, never the token.
pub struct AccessToken {
    authorization: HeaderValue,
    name: Box<str>,
    refresh_at: Instant,
    spare_until: Instant,
    last_until: Instant,
}

/// The moments in a token's life, judged from when it was received.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// How long the token lives, from `expires_in`.
    pub lasts: Duration,
    /// When Entra ID wants it refreshed, from `refresh_in`.
    pub refresh_in: Option<Duration>,
}

impl AccessToken {
    /// Makes a token received `now`; `jitter` in `0.0..=1.0` spreads early refreshes of many replicas.
    #[must_use]
    pub fn new(
        authorization: HeaderValue,
        name: Box<str>,
        life: Life,
        now: Instant,
        jitter: f64,
    ) -> Self {
        let expires_at = now + life.lasts;
        let half = life.lasts / 2;
        Self {
            authorization,
            name,
            refresh_at: now + refresh_after(life).mul_f64(1.0 - REFRESH_JITTER * jitter),
            spare_until: expires_at.checked_sub(SPARE.min(half)).unwrap_or(now),
            last_until: expires_at.checked_sub(LAST.min(half)).unwrap_or(now),
        }
    }

    /// The whole `Authorization` value, marked sensitive.
    #[must_use]
    pub fn authorization(&self) -> &HeaderValue {
        &self.authorization
    }

    /// The name audit records use: 16 hexadecimal digits of a SHA-256.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether a new one should be fetched while this one still serves.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.refresh_at
    }

    /// Whether it may be sent in normal times.
    #[must_use]
    pub fn is_usable(&self, now: Instant) -> bool {
        now < self.spare_until
    }

    /// Whether it may be sent while no new one can be had.
    #[must_use]
    pub fn is_usable_in_an_outage(&self, now: Instant) -> bool {
        now < self.last_until
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// `refresh_in` where Entra ID gives one, half the life of a long token, else ten minutes before the
/// end.
fn refresh_after(life: Life) -> Duration {
    match life.refresh_in {
        Some(after) if after < life.lasts => after,
        _ if life.lasts >= LONG => life.lasts / 2,
        _ => life.lasts.saturating_sub(EARLY).max(life.lasts / 2),
    }
}

/// The floor that Microsoft's own libraries keep before a token's end.
const SPARE: Duration = Duration::from_mins(5);

/// The floor in an outage: long enough for one attempt to arrive.
const LAST: Duration = Duration::from_secs(30);

/// From this life on, a token is refreshed half way.
const LONG: Duration = Duration::from_hours(2);

/// Shorter tokens are refreshed this long before their end.
const EARLY: Duration = Duration::from_mins(10);

/// The share of the waiting time by which refreshes are spread.
const REFRESH_JITTER: f64 = 0.1;
