//! How long to wait before trying again.
//!
//! Exponential back-off with full jitter, so that calls that failed together do not come back together:
//! <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.

use std::time::Duration;

/// Draws a wait before a retry, of which the first is number 0.
#[must_use]
pub fn backoff(retry: u32) -> Duration {
    drawn(retry, fastrand::f64())
}

/// The wait for a number drawn from 0 to 1.
fn drawn(retry: u32, random: f64) -> Duration {
    let grown = FIRST.saturating_mul(2_u32.saturating_pow(retry));
    grown.min(LONGEST).mul_f64(random)
}

/// The longest wait before the first retry; Partner Center answers in some hundred milliseconds.
const FIRST: Duration = Duration::from_millis(250);

/// A caller waits for a minute at most, so that a longer wait would leave no time to try.
const LONGEST: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_limit() {
        for (retry, longest) in [
            (0, 250),
            (1, 500),
            (2, 1000),
            (4, 4000),
            (5, 5000),
            (31, 5000),
            (u32::MAX, 5000),
        ] {
            let longest = Duration::from_millis(longest);

            assert_eq!(drawn(retry, 1.0), longest, "{retry}");
            assert_eq!(drawn(retry, 0.5), longest / 2, "{retry}");
            assert_eq!(drawn(retry, 0.0), Duration::ZERO, "{retry}");
        }
    }

    #[test]
    fn spreads_waits_over_the_whole_time() {
        fastrand::seed(1);

        let waits: Vec<_> = (0..1000).map(|_| backoff(0)).collect();

        assert!(waits.iter().all(|wait| *wait <= FIRST));
        for tenth in 0..10 {
            let (from, to) = (FIRST * tenth / 10, FIRST * (tenth + 1) / 10);
            let within = |wait: &&Duration| (from..to).contains(*wait);
            let number = waits.iter().filter(within).count();
            assert!((50..200).contains(&number), "{number} in tenth {tenth}");
        }
    }
}
