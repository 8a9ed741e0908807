//! How fast time goes for retention, whatever the machine's clock says.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::audit::retention::EARLIEST;

/// A wall clock that does not run ahead of the time that really goes by.
///
/// It begins where the journal ends, not where the machine's clock stands, and catches up at twice the
/// pace of time at most. So a clock that is set a year ahead, at start or while the gateway runs, removes
/// nothing that is young unless it stays so for half a year, or the gateway is started anew behind records
/// of that year. A gateway that was away removes later, by as long as it was away. A clock that stands in
/// 1970, as without a battery, or that falls back while the gateway runs, is believed again once it is right.
#[derive(Clone, Copy, Debug)]
pub(in crate::audit) struct Pace {
    at: SystemTime,
    since: Instant,
}

impl Pace {
    /// Begins at the time of the journal's last record, or now where it has none or that is later; a time
    /// before there were gateways counts for nothing.
    pub(in crate::audit) fn from(last: Option<SystemTime>, now: SystemTime) -> Self {
        let earliest = SystemTime::UNIX_EPOCH + EARLIEST;
        let at = match last {
            Some(last) if now < earliest => last,
            Some(last) => last.min(now),
            None => now,
        };
        Self {
            at: at.max(earliest),
            since: Instant::now(),
        }
    }

    /// The time by which records may be judged.
    pub(in crate::audit) fn follow(&mut self, now: SystemTime) -> SystemTime {
        let gone = self.since.elapsed();
        let after = |gone| self.at.checked_add(gone).unwrap_or(now);
        // Time goes by whatever the clock says, or one that fell back would be caught up with from there.
        let fastest = after(gone.saturating_mul(CATCHING_UP));
        self.at = after(gone).max(fastest.min(now));
        self.since = Instant::now();
        self.at.min(now)
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

    #[tokio::test(start_paused = true)]
    async fn believes_a_clock_again_that_was_behind() {
        let year_1970 = SystemTime::UNIX_EPOCH + HOUR;
        for begun in [at(0), year_1970] {
            let mut pace = Pace::from(Some(at(0)), begun);
            assert_eq!(pace.follow(year_1970), year_1970);

            tokio::time::advance(HOUR * 10).await;
            assert_eq!(pace.follow(year_1970), year_1970);
            let year_ahead = at(10) + HOUR * 24 * 365;
            assert_eq!(pace.follow(year_ahead), at(10), "nothing was saved up");
            assert_eq!(pace.follow(at(10)), at(10));
        }

        let earliest = SystemTime::UNIX_EPOCH + EARLIEST;
        for last in [None, Some(year_1970)] {
            let now = if last.is_some() { at(1) } else { year_1970 };
            assert_eq!(Pace::from(last, now).follow(at(1)), earliest);
        }
    }
}
