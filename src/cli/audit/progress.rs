//! How far a long walk over a journal has come, for a person at a terminal.

use std::{
    fmt,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use tokio::time::Instant;

use crate::audit::verify::Progress;

/// One line on stderr, where that is a terminal, which is written over until it is cleared.
pub(in crate::cli::audit) struct Bar {
    is_seen: bool,
    began: Instant,
    /// When it was last written.
    told: Option<Instant>,
}

impl Bar {
    pub(in crate::cli::audit) fn on_terminal() -> Self {
        Self {
            is_seen: io::stderr().is_terminal(),
            began: Instant::now(),
            told: None,
        }
    }

    pub(in crate::cli::audit) fn show(&mut self, progress: Progress) {
        let now = Instant::now();
        let since = now.duration_since(self.told.unwrap_or(self.began));
        if self.is_seen && since >= PAUSE {
            self.told = Some(now);
            say(format_args!("\r{}\x1b[K", line(progress, now - self.began)));
        }
    }

    pub(in crate::cli::audit) fn clear(&self) {
        if self.told.is_some() {
            say(format_args!("\r\x1b[K"));
        }
    }
}

/// What there is to say after so much time.
fn line(progress: Progress, passed: Duration) -> String {
    let Progress {
        records,
        bytes,
        total_bytes,
    } = progress;
    // A journal that is written meanwhile grows beyond what it had.
    let bytes = bytes.min(total_bytes);
    let percent = part(bytes, 100, total_bytes).unwrap_or(100);
    let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
    let a_second = part(records, 1000, millis).unwrap_or(0);
    let left = part(total_bytes.saturating_sub(bytes), millis, bytes).unwrap_or(0);
    let left = Duration::from_secs(left.div_ceil(1000));
    let done = usize::try_from(percent * WIDTH / 100).unwrap_or(0);
    let bar: String = (0..usize::try_from(WIDTH).unwrap_or(0))
        .map(|place| if place < done { '#' } else { '-' })
        .collect();
    format!(
        "[{bar}] {percent:3} %  {records} records, {a_second}/s, {} left",
        humantime::format_duration(left)
    )
}

/// `value * times / of`, without overflow; nothing of nothing.
fn part(value: u64, times: u64, of: u64) -> Option<u64> {
    let product = u128::from(value) * u128::from(times);
    u64::try_from(product.checked_div(of.into())?).ok()
}

fn say(what: fmt::Arguments<'_>) {
    // Nobody is there to be told where it fails.
    drop(io::stderr().write_fmt(what));
}

/// In characters.
const WIDTH: u64 = 24;

/// Often enough for a person, and seldom enough for a slow terminal.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_part_that_is_done_and_the_time_that_is_left() {
        let told = |records, bytes, total_bytes, seconds| {
            let progress = Progress {
                records,
                bytes,
                total_bytes,
            };
            line(progress, Duration::from_secs(seconds))
        };

        assert_eq!(
            told(50_000, 25, 100, 10),
            "[######------------------]  25 %  50000 records, 5000/s, 30s left"
        );
        assert_eq!(
            told(3, 120, 100, 90),
            "[########################] 100 %  3 records, 0/s, 0s left"
        );
        assert_eq!(
            told(0, 0, 0, 0),
            "[########################] 100 %  0 records, 0/s, 0s left"
        );
        let most = told(u64::MAX, 1, u64::MAX, 1);
        assert!(
            most.starts_with("[------------------------]   0 %  1844"),
            "{most}"
        );
    }
}
