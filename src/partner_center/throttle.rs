//! The throttle gate of one account: holds calls back for customers of which Partner Center has said
//! that they come too often.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

use crate::ids::CustomerId;

/// Which customers' calls are held back, and until when.
#[derive(Debug, Default)]
pub struct Gate(Mutex<Holds>);

/// The customer's calls are held back for longer than the call can wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the customer's calls are held back")]
pub struct Held {
    /// When the hold is over.
    pub retry_after: Duration,
}

impl Gate {
    /// Holds a customer's calls back from now on, for an hour at most. A hold that ends later stays.
    pub fn hold(&self, customer: CustomerId, wait: Duration) {
        let now = Instant::now();
        let end = now + wait.min(LONGEST);
        let mut holds = self.lock();
        holds.sweep(now);
        let until = holds.until.entry(customer).or_insert(end);
        *until = end.max(*until);
    }

    /// Tells when a hold ends that is not over.
    #[must_use]
    pub fn until(&self, customer: CustomerId) -> Option<Instant> {
        let end = self.lock().until.get(&customer).copied();
        end.filter(|end| *end > Instant::now())
    }

    /// Tells how many customers' calls are held back now.
    #[must_use]
    pub fn held(&self) -> usize {
        let now = Instant::now();
        let holds = self.lock();
        holds.until.values().filter(|end| **end > now).count()
    }

    /// Lets a call pass: at once where nothing holds it back, else when the hold is over. Those that have
    /// waited together are spread over a quarter of a second.
    ///
    /// # Errors
    ///
    /// [`Held`], at once, where the hold does not end well before `until`.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn pass(&self, customer: CustomerId, until: Instant) -> Result<(), Held> {
        while let Some(end) = self.until(customer) {
            if end + JITTER * 2 > until {
                let retry_after = end.saturating_duration_since(Instant::now());
                return Err(Held { retry_after });
            }
            // A hold may have been prolonged meanwhile, so it is looked at anew.
            let jitter = JITTER.mul_f64(fastrand::f64());
            sleep_until(end + jitter).await;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Holds> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Holds {
    until: HashMap<CustomerId, Instant>,
    /// How many holds may be remembered before those that are over are forgotten.
    sweep_at: usize,
}

impl Holds {
    /// Forgets holds that are over. Waiting until their number has doubled makes the work a constant part
    /// of each hold.
    fn sweep(&mut self, now: Instant) {
        if self.until.len() < self.sweep_at.max(FEWEST) {
            return;
        }
        self.until.retain(|_, end| *end > now);
        self.sweep_at = self.until.len().saturating_mul(2);
        self.until.shrink_to(self.sweep_at);
    }
}

/// Microsoft's libraries cap `Retry-After` at one hour.
const LONGEST: Duration = Duration::from_hours(1);

/// As much as the first wait of a back-off.
const JITTER: Duration = Duration::from_millis(250);

/// In customers; some 50 KiB, below which forgetting is not worth the while.
const FEWEST: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::future::join_all;
    use tokio::time::{advance, timeout};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lets_calls_pass_at_once_where_nothing_holds_them_back() {
        let gate = Gate::default();
        let start = Instant::now();
        gate.hold(customer(1), secs(5));
        gate.hold(customer(2), Duration::ZERO);

        let others = [2, 3].map(|number| gate.pass(customer(number), start));

        assert_eq!(join_all(others).await, [Ok(()); 2]);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(gate.until(customer(1)), Some(start + secs(5)));
        assert_eq!(gate.until(customer(2)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn holds_calls_until_the_end_and_spreads_them_a_little() {
        fastrand::seed(1);
        let gate = Gate::default();
        let start = Instant::now();
        gate.hold(customer(1), secs(5));

        let passing = async || {
            assert_eq!(gate.pass(customer(1), start + secs(60)).await, Ok(()));
            start.elapsed()
        };
        let mut waited = join_all((0..100).map(|_| passing())).await;

        waited.sort();
        assert!(waited[0] >= secs(5), "{waited:?}");
        assert!(waited[99] <= Duration::from_millis(5251), "{waited:?}");
        assert!(waited[99] > waited[0] + Duration::from_millis(150));
        waited.dedup();
        assert!(waited.len() > 50, "{waited:?}");
        assert_eq!(gate.pass(customer(1), start).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn refuses_at_once_a_call_that_cannot_wait_so_long() {
        let gate = Gate::default();
        let start = Instant::now();
        gate.hold(customer(1), secs(5));
        advance(secs(1)).await;

        // The hold is over by then, but not by so much that a call could still be made.
        let refused = gate.pass(customer(1), start + Duration::from_millis(5499));
        let refused = refused.await;

        let retry_after = secs(4);
        assert_eq!(refused, Err(Held { retry_after }));
        assert_eq!(start.elapsed(), secs(1));
        let until = start + Duration::from_millis(5500);
        assert_eq!(gate.pass(customer(1), until).await, Ok(()));
        assert!((secs(5)..Duration::from_millis(5251)).contains(&start.elapsed()));
    }

    #[tokio::test(start_paused = true)]
    async fn keeps_the_later_of_two_ends() {
        let gate = Gate::default();
        let start = Instant::now();

        gate.hold(customer(1), secs(5));
        gate.hold(customer(1), secs(2));
        assert_eq!(gate.until(customer(1)), Some(start + secs(5)));
        advance(secs(1)).await;
        gate.hold(customer(1), secs(5));

        assert_eq!(gate.until(customer(1)), Some(start + secs(6)));
        assert_eq!(gate.held(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_again_when_a_hold_was_prolonged() {
        let gate = Arc::new(Gate::default());
        let start = Instant::now();
        gate.hold(customer(1), secs(5));
        let ends = [secs(9), secs(8)].map(|patience| {
            let gate = Arc::clone(&gate);
            async move {
                let passed = gate.pass(customer(1), start + patience).await;
                (passed, start.elapsed())
            }
        });
        let prolonging = async {
            tokio::time::sleep(secs(4)).await;
            gate.hold(customer(1), secs(4));
        };

        let (ends, ()) = tokio::join!(join_all(ends), prolonging);

        let [(patient, waited), (impatient, left)] = ends[..] else {
            panic!("{ends:?}")
        };
        assert_eq!(patient, Ok(()));
        assert!((secs(8)..Duration::from_millis(8251)).contains(&waited));
        let told = impatient.unwrap_err().retry_after;
        assert!((secs(5)..Duration::from_millis(5251)).contains(&left));
        assert_eq!(left + told, secs(8));
    }

    #[tokio::test(start_paused = true)]
    async fn holds_nobody_for_longer_than_an_hour() {
        let gate = Gate::default();
        let hour = Duration::from_hours(1);

        gate.hold(customer(1), Duration::MAX);

        assert_eq!(gate.until(customer(1)), Some(Instant::now() + hour));
        advance(hour).await;
        assert_eq!(gate.until(customer(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn changes_nothing_where_one_who_waits_leaves() {
        let gate = Gate::default();
        let start = Instant::now();
        gate.hold(customer(1), secs(5));

        let left = timeout(secs(1), gate.pass(customer(1), start + secs(60))).await;

        assert!(left.is_err());
        assert_eq!(gate.until(customer(1)), Some(start + secs(5)));
    }

    #[tokio::test(start_paused = true)]
    async fn counts_and_remembers_only_holds_that_are_not_over() {
        let gate = Gate::default();
        let mut most = 0;

        for number in 0..10_000 {
            gate.hold(customer(number), Duration::from_millis(100));
            most = most.max(gate.lock().until.len());
            advance(Duration::from_millis(1)).await;
        }

        assert_eq!(gate.held(), 99);
        assert!(most <= FEWEST, "{most} customers are remembered");
    }

    #[tokio::test(start_paused = true)]
    async fn looks_for_holds_to_forget_only_when_there_are_many() {
        let gate = Gate::default();

        for number in 0..1024 {
            gate.hold(customer(number), Duration::from_millis(10));
            advance(Duration::from_millis(20)).await;
        }
        let before = gate.lock().until.len();
        gate.hold(customer(1024), secs(1));

        assert_eq!(before, 1024, "all are remembered, though none need be");
        assert_eq!(gate.lock().until.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn holds_a_crowd_and_forgets_it_later() {
        let gate = Gate::default();
        let crowd = 10_000;

        (0..crowd).for_each(|number| gate.hold(customer(number), secs(5)));
        let held = gate.held();
        advance(secs(5)).await;
        let late = gate.held();
        (crowd..3 * crowd).for_each(|number| gate.hold(customer(number), secs(5)));

        assert_eq!((held, late, gate.held()), (10_000, 0, 20_000));
        assert_eq!(gate.lock().until.len(), 20_000, "the first are forgotten");
    }

    fn customer(number: u32) -> CustomerId {
        let text = format!("00000000-0000-4000-8000-{number:012x}");
        text.parse().unwrap()
    }

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }
}
