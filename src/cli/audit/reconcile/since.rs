//! Since when both sides are compared.

use std::time::{Duration, SystemTime};

use super::Failed;
use crate::partner_center::activity::OLDEST;

/// A time, or how long ago it was, as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli::audit) struct Since {
    text: String,
    moment: Moment,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    Ago(Duration),
    At(SystemTime),
}

/// Reads what was given.
pub(in crate::cli::audit) fn read(text: &str) -> Result<Since, &'static str> {
    let time = humantime::parse_rfc3339(text).map(Moment::At).ok();
    let ago = || humantime::parse_duration(text).map(Moment::Ago).ok();
    Ok(Since {
        text: text.to_owned(),
        moment: time.or_else(ago).ok_or(ACCEPTED)?,
    })
}

impl Since {
    /// The time, as of now.
    pub(super) fn time(&self, now: SystemTime) -> Result<SystemTime, Failed> {
        let oldest = now.checked_sub(OLDEST).unwrap_or(now);
        let time = match self.moment {
            Moment::Ago(duration) => now.checked_sub(duration),
            Moment::At(time) => Some(time),
        };
        let time = time.filter(|time| (oldest..now).contains(time));
        time.ok_or_else(|| Failed::Since {
            found: self.text.clone(),
            accepted: ACCEPTED,
        })
    }
}

const ACCEPTED: &str = "a duration of at most 90 days, such as 30d, or a past time by RFC 3339 in UTC that is no longer ago, such as \
     2026-03-01T12:00:00Z; Partner Center tells of no earlier time";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_durations_and_times_of_the_last_90_days() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
        let day = Duration::from_hours(24);
        for (text, ago) in [
            ("90d", Some(90 * day)),
            ("1s", Some(Duration::from_secs(1))),
            ("2019-12-19T00:00:00Z", Some(day)),
            ("2019-09-21T00:00:00Z", Some(90 * day)),
            ("90d 1s", None),
            ("0s", None),
            ("2019-09-20T23:59:59Z", None),
            ("2019-12-20T00:00:00Z", None),
            ("2019-12-21T00:00:00Z", None),
        ] {
            let time = read(text).unwrap().time(now);

            assert_eq!(time.ok(), ago.map(|ago| now - ago), "{text}");
        }
        for text in ["", "30", "-1d", "yesterday", "2026-03-01"] {
            assert_eq!(read(text), Err(ACCEPTED), "{text}");
        }
    }
}
