//! How many retries there may be, over all calls of the gateway.
//!
//! An upstream that fails must not get its load many times over. The budget is ours because the one of
//! `tower` cuts 1 ÷ share down to a whole number of calls a retry, so that 0.4 would allow 0.5.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::partner_center::window::Window;

/// Retries as a share of calls.
///
/// Whenever a retry is granted, the retries of the 10 s up to then, this one among them, are no more than
/// the share of the calls that began in the same 10 s, and 10. Counting goes by slots, which errs towards
/// fewer retries: calls are forgotten after 9 to 10 s, retries after 10 to 11.12 s.
#[derive(Debug)]
pub struct RetryBudget {
    ledger: Mutex<Ledger>,
    granted: AtomicU64,
    refused: AtomicU64,
}

impl RetryBudget {
    /// Opens a budget; the share is from 0 to 1, and at 0 there are no retries at all.
    #[must_use]
    pub fn new(share: f64) -> Self {
        Self {
            ledger: Mutex::new(Ledger::new(share, Instant::now())),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Notes that a call begins.
    pub fn deposit(&self) {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.deposit(Instant::now());
    }

    /// Asks for one retry, and tells whether it is granted.
    #[must_use = "a retry that is not granted must not be made"]
    pub fn withdraw(&self) -> bool {
        let granted = {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            ledger.withdraw(Instant::now())
        };
        let counter = if granted {
            &self.granted
        } else {
            &self.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
        granted
    }

    /// How many retries were granted since the start.
    #[must_use]
    pub fn granted(&self) -> u64 {
        self.granted.load(Ordering::Relaxed)
    }

    /// How many retries were refused since the start.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What has been paid in and taken out of late.
#[derive(Debug)]
struct Ledger {
    share: f64,
    calls: Window,
    retries: Window,
}

impl Ledger {
    fn new(share: f64, now: Instant) -> Self {
        Self {
            share,
            calls: Window::at_most(WINDOW, now),
            retries: Window::at_least(WINDOW, now),
        }
    }

    fn deposit(&mut self, now: Instant) {
        self.calls.note(now);
    }

    fn withdraw(&mut self, now: Instant) -> bool {
        let wanted = f64::from(self.retries.sum(now)) + 1.0;
        let allowed = self.share * f64::from(self.calls.sum(now)) + FLOOR;
        let granted = self.share > 0.0 && wanted <= allowed + ROUNDING;
        if granted {
            self.retries.note(now);
        }
        granted
    }
}

/// What Finagle and linkerd take for their budgets.
const WINDOW: Duration = Duration::from_secs(10);

/// So that a gateway with few calls can retry at all; linkerd grants as many each second.
const FLOOR: f64 = 10.0;

/// A share such as 0.072 is not exact in binary, and 54 of 750 calls must not become 53.
const ROUNDING: f64 = 1e-6;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn grants_the_share_of_the_calls_and_a_few_to_begin_with() {
        for (share, calls, most) in [
            (0.2, 0, 10),
            (0.2, 4, 10),
            (0.2, 5, 11),
            (0.2, 100, 30),
            (0.4, 100, 50),
            (0.072, 750, 64),
            (0.001, 999, 10),
            (0.001, 1000, 11),
            (1.0, 100, 110),
            (0.0, 1000, 0),
        ] {
            let budget = RetryBudget::new(share);

            (0..calls).for_each(|_| budget.deposit());
            let granted = (0..200).filter(|_| budget.withdraw()).count();

            assert_eq!(granted, most, "{share} of {calls}");
            assert_eq!(usize::try_from(budget.granted()), Ok(most));
            assert_eq!(usize::try_from(budget.refused()), Ok(200 - most));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn forgets_calls_no_later_than_retries() {
        let budget = RetryBudget::new(1.0);
        let granted = || (0..1000).filter(|_| budget.withdraw()).count();
        (0..100).for_each(|_| budget.deposit());
        assert_eq!(granted(), 110);

        advance(Duration::from_millis(9999)).await;
        assert_eq!(granted(), 0);
        (0..50).for_each(|_| budget.deposit());
        advance(Duration::from_millis(1)).await;
        assert_eq!(granted(), 0, "the retries are not forgotten yet");
        advance(Duration::from_millis(1112)).await;

        assert_eq!(granted(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn saves_nothing_up() {
        let budget = RetryBudget::new(0.5);
        for _ in 0..100 {
            (0..10).for_each(|_| budget.deposit());
            advance(Duration::from_secs(1)).await;
        }

        let granted = (0..1000).filter(|_| budget.withdraw()).count();

        assert_eq!(granted, 45 + 10);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn keeps_within_the_budget_and_uses_it_up(
            thousandths in 1..=1000_u64,
            steps in prop::collection::vec((any::<bool>(), delay()), 1..600),
        ) {
            let start = Instant::now();
            let share = f64::from(u32::try_from(thousandths).unwrap()) / 1000.0;
            let mut ledger = Ledger::new(share, start);
            let (mut now, mut calls, mut retries) = (start, vec![], vec![]);

            for (call, delay) in steps {
                now += delay;
                if call {
                    ledger.deposit(now);
                    calls.push(now);
                } else if ledger.withdraw(now) {
                    retries.push(now);
                    let allowed = thousandths * since(&calls, now, 10_000) + 10_000;
                    prop_assert!(since(&retries, now, 10_000) * 1000 <= allowed);
                } else {
                    let allowed = thousandths * since(&calls, now, 9000) + 10_000;
                    prop_assert!((since(&retries, now, 11_112) + 1) * 1000 > allowed);
                }
            }
        }
    }

    /// How many of the events happened in so many milliseconds up to now.
    fn since(events: &[Instant], now: Instant, ms: u64) -> u64 {
        let length = Duration::from_millis(ms);
        let late = events.iter().filter(|event| now - **event < length);
        late.count().try_into().unwrap()
    }

    fn delay() -> impl Strategy<Value = Duration> {
        let micros = prop_oneof![8 => Just(0), 4 => 0..50_000_u64, 1 => 0..3_000_000_u64];
        micros.prop_map(Duration::from_micros)
    }
}
