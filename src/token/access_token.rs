//! An access token with the moments that matter in its life.

use std::{fmt, time::Duration};

use http::HeaderValue;
use tokio::time::Instant;

use crate::token::claims::Said;

/// A token for Partner Center, ready to be sent.
///
/// `Debug` shows its name and moments, never the token.
pub struct AccessToken {
    authorization: HeaderValue,
    name: Box<str>,
    received_at: Instant,
    expires_at: Instant,
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
            received_at: now,
            expires_at,
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

    /// What the token says of itself, where it is a JWT; nothing of it is verified.
    #[must_use]
    pub fn claims(&self) -> Option<Said> {
        let text = self.authorization.to_str().ok()?;
        Said::by(text.strip_prefix("Bearer ")?)
    }

    /// Whether the two are the same to whom they are shown, whenever they were received.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.authorization == other.authorization
    }

    /// How long ago it was received.
    #[must_use]
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.received_at)
    }

    /// How long it lives on.
    #[must_use]
    pub fn left(&self, now: Instant) -> Duration {
        self.expires_at.saturating_duration_since(now)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_refreshed_early_and_sent_until_shortly_before_its_end() {
        for (lasts, refresh_in, [due, spare, last]) in [
            (3600, None, [3000, 3300, 3570]),
            (4500, None, [3900, 4200, 4470]),
            (7199, None, [6599, 6899, 7169]),
            (7200, None, [3600, 6900, 7170]),
            (100_800, None, [50_400, 100_500, 100_770]),
            (3600, Some(1200), [1200, 3300, 3570]),
            (3600, Some(3600), [3000, 3300, 3570]),
            (3600, Some(9999), [3000, 3300, 3570]),
            (600, None, [300, 300, 570]),
            (60, None, [30, 30, 30]),
        ] {
            let now = Instant::now();
            let life = Life {
                lasts: Duration::from_secs(lasts),
                refresh_in: refresh_in.map(Duration::from_secs),
            };
            let at = |seconds| now + Duration::from_secs(seconds);

            let token = AccessToken::new(
                HeaderValue::from_static("Bearer a"),
                "".into(),
                life,
                now,
                0.0,
            );

            let told = format!("{lasts} {refresh_in:?}");
            assert_eq!(
                [due - 1, due].map(|it| token.is_due(at(it))),
                [false, true],
                "{told}"
            );
            assert_eq!(
                [spare - 1, spare].map(|it| token.is_usable(at(it))),
                [true, false],
                "{told}"
            );
            let in_an_outage = |it| token.is_usable_in_an_outage(at(it));
            assert_eq!([last - 1, last].map(in_an_outage), [true, false], "{told}");
            assert_eq!(token.left(at(10)), Duration::from_secs(lasts - 10));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_refreshed_earlier_by_a_tenth_at_most() {
        let now = Instant::now();
        let life = Life {
            lasts: Duration::from_hours(1),
            refresh_in: None,
        };

        let token = AccessToken::new(
            HeaderValue::from_static("Bearer a"),
            "".into(),
            life,
            now,
            1.0,
        );

        let due = |seconds| token.is_due(now + Duration::from_secs(seconds));
        assert_eq!([due(2699), due(2700)], [false, true]);
    }
}
