//! How fast time goes for retention, whatever the machine's clock says.

use std::time::SystemTime;

use tokio::time::Instant;

/// A wall clock that does not run ahead of the time that really goes by.
///
/// It begins where the journal ends, not where the machine's clock stands, and catches up at twice the
/// pace of time at most. So a clock that is set a year ahead, at start or while the gateway runs, removes
/// nothing that is young unless it stays so for half a year. A gateway that was away removes later, by as
/// long as it was away.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Pace {
    at: SystemTime,
    since: Instant,
}

impl Pace {
    /// Begins at the time of the journal's last record, or now where it has none or that is later.
    pub(in crate::audit) fn from(last: Option<SystemTime>, now: SystemTime) -> Self {
        Self {
            at: last.map_or(now, |last| last.min(now)),
            since: Instant::now(),
        }
    }

    /// The time by which records may be judged.
    pub(in crate::audit) fn follow(&mut self, now: SystemTime) -> SystemTime {
        let gone = self.since.elapsed().saturating_mul(CATCHING_UP);
        self.at = self.at.checked_add(gone).map_or(now, |at| at.min(now));
        self.since = Instant::now();
        self.at
    }
}

/// How many seconds a clock may catch up in one.
const CATCHING_UP: u32 = 2;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// A time in hours after a noon in 2026.
    fn at(hours: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(495_012 + hours)
    }

    #[tokio::test(start_paused = true)]
    async fn does_not_follow_a_clock_that_runs_ahead() {
        let year = HOUR * 24 * 365;
        let mut pace = Pace::from(Some(at(0)), at(1));
        assert_eq!(pace.follow(at(1)), at(0));

        tokio::time::advance(HOUR).await;
        assert_eq!(pace.follow(at(2) + year), at(2));
        tokio::time::advance(HOUR).await;
        assert_eq!(pace.follow(at(3)), at(3));
        assert_eq!(
            pace.follow(at(1)),
            at(1),
            "a clock put back is followed at once"
        );

        let mut away = Pace::from(Some(at(0)), at(0) + year);
        tokio::time::advance(HOUR).await;
        assert_eq!(away.follow(at(1) + year), at(2));
        let new = Pace::from(None, at(5)).follow(at(5));
        assert_eq!(new, at(5));
    }
}
