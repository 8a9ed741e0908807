//! Counts what happened of late.
//!
//! A ring of ten slots, so that what is long past is forgotten a slot at a time and in bounded memory.
//! Whoever has a window holds it behind a lock, and reads the time under it.

use std::time::Duration;

use tokio::time::Instant;

/// How often something happened of late.
#[derive(Clone, Debug)]
pub struct Window {
    slot: Duration,
    /// When the newest slot began.
    began: Instant,
    /// The newest slot comes first.
    counts: [u32; SLOTS],
}

impl Window {
    /// Makes a window that reaches back by the length at most, and by nine tenths of it at least.
    #[must_use]
    pub fn at_most(length: Duration, now: Instant) -> Self {
        Self::of_slots(length / WHOLE_RING, now)
    }

    /// Makes a window that reaches back by the length at least, and by ten ninths of it at most.
    #[must_use]
    pub fn at_least(length: Duration, now: Instant) -> Self {
        // Only nine slots are sure to be whole. A nanosecond makes up for what the division cuts off.
        let slot = length / (WHOLE_RING - 1);
        Self::of_slots(slot.saturating_add(Duration::from_nanos(1)), now)
    }

    /// Notes that it happened.
    pub fn note(&mut self, now: Instant) {
        self.turn(now);
        let [newest, ..] = &mut self.counts;
        *newest = newest.saturating_add(1);
    }

    /// Tells how often it happened of late.
    pub fn sum(&mut self, now: Instant) -> u32 {
        self.turn(now);
        self.counts
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    fn of_slots(slot: Duration, now: Instant) -> Self {
        Self {
            slot: slot.max(Duration::from_nanos(1)),
            began: now,
            counts: [0; SLOTS],
        }
    }

    /// Begins the slot that `now` falls into, and forgets those that it takes the place of.
    fn turn(&mut self, now: Instant) {
        let age = now.saturating_duration_since(self.began).as_nanos();
        let slot = self.slot.as_nanos();
        let over = usize::try_from(age / slot).unwrap_or(SLOTS).min(SLOTS);
        if over == 0 {
            return;
        }
        let into = u64::try_from(age % slot).unwrap_or_default();
        self.began = now.checked_sub(Duration::from_nanos(into)).unwrap_or(now);
        self.counts.rotate_right(over);
        self.counts
            .iter_mut()
            .take(over)
            .for_each(|count| *count = 0);
    }
}

/// Ten make what is forgotten at once a small part of the whole.
const SLOTS: usize = 10;

/// The same number, to divide by.
const WHOLE_RING: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_a_slot_at_a_time() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut window = Window::at_most(Duration::from_secs(10), start);
        for ms in [0, 999, 1000, 5500] {
            window.note(at(ms));
        }

        let sums =
            [5500, 9999, 10_000, 10_999, 11_000, 14_999, 15_000].map(|ms| window.sum(at(ms)));

        assert_eq!(sums, [4, 4, 2, 2, 1, 1, 0]);
    }

    #[test]
    fn keeps_the_slots_where_they_were_after_a_pause() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut window = Window::at_most(Duration::from_secs(10), start);
        window.note(at(0));

        window.note(at(3_600_900));

        assert_eq!(window.sum(at(3_600_900)), 1);
        assert_eq!(window.sum(at(3_609_999)), 1);
        assert_eq!(window.sum(at(3_610_000)), 0);
    }

    #[test]
    fn reaches_back_as_far_as_it_says() {
        let start = Instant::now();
        let length = Duration::from_secs(10);
        let (ninth, longer) = (Duration::from_secs(9), Duration::from_millis(11_112));

        // In steps that fall on no boundary twice.
        for step in 0..1000 {
            let noted = start + Duration::from_micros(step * 12_347);
            let mut most = Window::at_most(length, start);
            let mut least = Window::at_least(length, start);
            most.note(noted);
            least.note(noted);

            assert_eq!(most.sum(noted + ninth), 1, "{step}");
            assert_eq!(most.sum(noted + length), 0, "{step}");
            assert_eq!(least.sum(noted + length), 1, "{step}");
            assert_eq!(least.sum(noted + longer), 0, "{step}");
        }
    }

    #[test]
    fn cuts_nothing_off_a_length_that_nine_does_not_divide() {
        let start = Instant::now();
        let length = Duration::from_nanos(17);
        let mut window = Window::at_least(length, start);

        window.note(start);

        assert_eq!(window.sum(start + length), 1);
    }

    #[test]
    fn takes_a_time_that_was_read_too_early_for_now() {
        let start = Instant::now() + Duration::from_mins(1);
        let mut window = Window::at_most(Duration::from_secs(10), start);

        window.note(start - Duration::from_millis(1));

        assert_eq!(window.sum(start), 1);
    }

    #[test]
    fn counts_in_the_shortest_window() {
        let start = Instant::now();
        let mut window = Window::at_most(Duration::ZERO, start);

        window.note(start);

        assert_eq!(window.sum(start), 1);
        assert_eq!(window.sum(start + Duration::from_nanos(10)), 0);
    }
}
