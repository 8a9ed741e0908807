//! How long a sink is left alone after a setback.

use std::time::Duration;

use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::delivery::sink::Setback;

/// The setbacks of a sink since it last took a record.
#[derive(Debug, Default)]
pub(in crate::delivery) struct Waiting {
    setbacks: u32,
    /// Why nothing goes on, as the log was told last; nothing where it was told that something does.
    told: Option<String>,
    /// What the log was told in the last minute, and when.
    reasons: Vec<(String, Instant)>,
    /// When the log was last told that records are taken again.
    back: Option<Instant>,
    /// Whether there was one.
    is_away: watch::Sender<bool>,
}

/// A wait before the same records are sent again.
#[derive(Clone, Copy, Debug)]
pub(in crate::delivery) struct Pause {
    /// How long.
    pub(in crate::delivery) time: Duration,
    /// Whether the sink itself asked for a time.
    pub(in crate::delivery) is_asked: bool,
    /// Whether it is a person who is waited for.
    pub(in crate::delivery) is_held: bool,
}

impl Waiting {
    /// Waits until the run is to end and the sink has had its last chance: one that had a setback, and takes nothing
    /// for so long, must not keep the process.
    pub(in crate::delivery) fn is_given_up(
        &self,
        end: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let mut is_away = self.is_away.subscribe();
        async move {
            end.cancelled().await;
            while is_away.wait_for(|is_away| *is_away).await.is_ok() {
                tokio::select! {
                    () = sleep(LAST_TRY) => return,
                    _ = is_away.wait_for(|is_away| !is_away) => {}
                }
            }
        }
    }

    /// Tells of a setback where that is news, and how long to wait.
    pub(in crate::delivery) fn pause(&mut self, setback: Setback) -> Pause {
        self.is_away.send_replace(true);
        match setback {
            Setback::Passing { why, after } => {
                if self.is_news(&why) {
                    warn!(error = why, "audit sink does not take records");
                    self.note(why);
                } else {
                    debug!(error = why, "audit sink still does not take records");
                }
                let time = wait(self.setbacks, after);
                self.setbacks = self.setbacks.saturating_add(1);
                Pause {
                    time,
                    is_asked: after.is_some(),
                    is_held: false,
                }
            }
            Setback::Held { why } | Setback::Refused { why } | Setback::PartlyRefused { why } => {
                if self.is_news(&why) {
                    error!(error = why, "audit sink is held until a person sees to it");
                    self.note(why);
                }
                Pause {
                    time: HELD,
                    is_asked: false,
                    is_held: true,
                }
            }
        }
    }

    /// Whether the log does not end with this reason, and was not told it a moment ago either.
    fn is_news(&mut self, why: &String) -> bool {
        self.reasons.retain(|(_, at)| at.elapsed() < APART);
        let was_told = self.reasons.iter().any(|(told, _)| told == why);
        let is_last = self.told.as_ref() == Some(why);
        !is_last && !was_told && self.reasons.len() < MOST_REASONS
    }

    fn note(&mut self, why: String) {
        self.reasons.push((why.clone(), Instant::now()));
        self.told = Some(why);
    }

    /// Begins with short waits again.
    pub(in crate::delivery) fn hurry(&mut self) {
        self.setbacks = 0;
    }

    /// Notes that records were taken, and tells of it where that is news.
    pub(in crate::delivery) fn goes_on(&mut self) {
        self.setbacks = 0;
        self.is_away.send_replace(false);
        self.tell_back();
    }

    /// Waits until the log may be told that records are taken again.
    pub(in crate::delivery) async fn is_back(&self) {
        if self.told.is_none() || *self.is_away.borrow() {
            return std::future::pending().await;
        }
        if let Some(back) = self.back {
            sleep_until(back + APART).await;
        }
    }

    /// Tells so, unless it was told a moment ago.
    pub(in crate::delivery) fn tell_back(&mut self) {
        let is_early = self.back.is_some_and(|back| back.elapsed() < APART);
        if self.told.is_some() && !is_early {
            info!("audit sink takes records again");
            self.told = None;
            self.back = Some(Instant::now());
        }
    }
}

/// Draws a wait after a setback, of which the first is number 0. A sink that asks for a time is left alone
/// for that long at least.
pub(in crate::delivery) fn wait(setback: u32, asked: Option<Duration>) -> Duration {
    drawn(setback, fastrand::f64()).max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

/// The wait for a number drawn from 0 to 1: full jitter, so that replicas do not come back together
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
fn drawn(setback: u32, random: f64) -> Duration {
    let grown = FIRST.saturating_mul(2_u32.saturating_pow(setback));
    grown.min(LONGEST).mul_f64(random)
}

/// How long a sink is left alone that a person must see to. Nobody tells when that is done.
pub(in crate::delivery) const HELD: Duration = Duration::from_mins(1);

/// The longest wait after the first setback: a connection that broke most often can be had again at once.
const FIRST: Duration = Duration::from_millis(100);

/// A sink that is back is noticed within a minute.
const LONGEST: Duration = Duration::from_mins(1);

/// What comes and goes is told once in so long. Each reason is told by itself, and at most so many of them.
const APART: Duration = Duration::from_mins(1);
const MOST_REASONS: usize = 8;

/// What is there answers within milliseconds; the rest of the drain is for sinks that take something.
const LAST_TRY: Duration = Duration::from_secs(2);

/// A sink that asks for more is asked again all the same: a time that was meant for a date far away, or
/// written in other units, must not end delivery, and four requests an hour harm nobody.
const LONGEST_ASKED: Duration = Duration::from_mins(15);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_minute() {
        for (setback, longest) in [
            (0, 100),
            (1, 200),
            (9, 51_200),
            (10, 60_000),
            (u32::MAX, 60_000),
        ] {
            let longest = Duration::from_millis(longest);

            assert_eq!(drawn(setback, 1.0), longest, "{setback}");
            assert_eq!(drawn(setback, 0.5), longest / 2, "{setback}");
            assert_eq!(drawn(setback, 0.0), Duration::ZERO, "{setback}");
        }
    }

    #[test]
    fn waits_as_long_as_it_is_asked_to_within_bounds() {
        let asked = |seconds| wait(0, Some(Duration::from_secs(seconds)));

        assert_eq!(asked(1), Duration::from_secs(1));
        assert_eq!(asked(900), Duration::from_mins(15));
        assert_eq!(asked(u64::MAX), Duration::from_mins(15));
        assert!(wait(0, None) <= FIRST);
    }
}
