//! Wall time, in which claims and stamps are written.

use std::time::SystemTime;

use tokio::time::Instant;

use crate::sandbox::Sandbox;

/// The time by which assertions are judged and activity is recorded: the machine's, unless a test has set another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watch {
    set: Option<(SystemTime, Instant)>,
}

impl Sandbox {
    /// Sets the wall time by which assertions and federated tokens are judged and activity is recorded; it
    /// goes on with the runtime's time. For gateways whose clock stands at a time of its own.
    pub fn set_wall_time(&self, time: SystemTime) {
        self.state().watch.set = Some((time, Instant::now()));
    }
}

impl Watch {
    pub(crate) fn unix_seconds(self) -> u64 {
        seconds(self.now())
    }

    pub(crate) fn now(self) -> SystemTime {
        match self.set {
            Some((time, at)) => time + at.elapsed(),
            None => wall_time(),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "claims are in wall time, whatever tests do to timers"
)]
pub(crate) fn wall_time() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn unix_seconds() -> u64 {
    seconds(wall_time())
}

/// The moment as RFC 3339 text without a fraction.
pub(crate) fn stamp() -> String {
    humantime::format_rfc3339_seconds(wall_time()).to_string()
}

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
