//! What is told in sum: answers that have no record of their own, and bytes that never became a
//! request.
//!
//! Counts gather in a window of ten seconds. The summary record that will tell a count is named when
//! the count is first made, so that an answer can carry the name before the record is written. A
//! window knows a bounded number of addresses, so its size is bounded whatever strangers do.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    audit::record::{Count, Draft},
    ids::{BootId, RecordId},
};

/// How long counts gather before their summary is due.
pub(in crate::audit) const WINDOW: Duration = Duration::from_secs(10);

/// The counts that no summary record tells yet.
#[derive(Debug)]
pub(in crate::audit) struct Tally(Mutex<State>);

/// Where a count went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) struct Counted {
    /// The summary record that will tell it.
    pub(in crate::audit) record: RecordId,
    /// Whether it opened this window, which somebody has to close.
    pub(in crate::audit) opened: Option<WindowId>,
}

/// Names a window: its first record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::audit) struct WindowId(RecordId);

#[derive(Debug)]
struct State {
    rate: Rate,
    window: Option<Window>,
    /// Whole records that could not be written when it was their time.
    owed: Vec<Draft>,
}

/// Counts that gather.
#[derive(Debug)]
struct Window {
    id: WindowId,
    is_due: bool,
    sources: BTreeSet<IpAddr>,
    /// The records that will tell the counts, [`COUNTS_A_RECORD`] of them each.
    records: Vec<RecordId>,
    counts: BTreeMap<(&'static str, Source), (RecordId, u64)>,
}

/// Where something came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Address(IpAddr),
    /// One of more addresses than a summary names.
    Other,
}

/// So many a second, and a second's worth of them at once.
#[derive(Debug)]
struct Rate {
    interval: Duration,
    spent_until: Option<Instant>,
}

impl Tally {
    /// Counts begin beyond so many records a second.
    pub(in crate::audit) fn beyond(rate: NonZeroU32) -> Self {
        Self(Mutex::new(State {
            rate: Rate {
                interval: SECOND / rate.get(),
                spent_until: None,
            },
            window: None,
            owed: Vec::new(),
        }))
    }

    /// Counts one more where it comes faster than the rate; within the rate it is to have a record of
    /// its own.
    pub(in crate::audit) fn count_excess(
        &self,
        code: &'static str,
        from: IpAddr,
    ) -> Option<Counted> {
        let mut state = self.state();
        if state.rate.admits(Instant::now()) {
            return None;
        }
        Some(state.count(code, from))
    }

    /// Counts one more whatever the rate.
    pub(in crate::audit) fn count(&self, code: &'static str, from: IpAddr) -> Counted {
        self.state().count(code, from)
    }

    /// Counts one more that should have had a record; its summary is due as soon as anything can be
    /// written.
    pub(in crate::audit) fn count_unwritten(&self, code: &'static str, from: IpAddr) -> Counted {
        let mut state = self.state();
        let counted = state.count(code, from);
        if let Some(window) = &mut state.window {
            window.is_due = true;
        }
        counted
    }

    /// Has a whole record written as soon as anything can be; tells whether it is the first that waits.
    pub(in crate::audit) fn owe(&self, draft: Draft) -> bool {
        let mut state = self.state();
        state.owed.push(draft);
        state.owed.len() == 1
    }

    /// Makes a window due, unless its summary has been taken already.
    pub(in crate::audit) fn close(&self, id: WindowId) {
        if let Some(window) = &mut self.state().window {
            window.is_due |= window.id == id;
        }
    }

    /// Makes whatever is counted due.
    pub(in crate::audit) fn close_any(&self) {
        if let Some(window) = &mut self.state().window {
            window.is_due = true;
        }
    }

    /// Whether there are records to take.
    pub(in crate::audit) fn is_due(&self) -> bool {
        let state = self.state();
        !state.owed.is_empty() || state.window.as_ref().is_some_and(|window| window.is_due)
    }

    /// Takes the summary records that are due, and the records that are owed.
    pub(in crate::audit) fn take_due(&self, boot: BootId) -> Vec<Draft> {
        let mut state = self.state();
        let mut due = std::mem::take(&mut state.owed);
        let window = state.window.take_if(|window| window.is_due);
        drop(state);
        due.extend(window.into_iter().flat_map(|window| window.drafts(boot)));
        due
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count(&mut self, code: &'static str, from: IpAddr) -> Counted {
        let mut opened = None;
        let window = self.window.get_or_insert_with(|| {
            let window = Window::open();
            opened = Some(window.id);
            window
        });
        let record = window.count(code, from.to_canonical());
        Counted { record, opened }
    }
}

impl Window {
    fn open() -> Self {
        let first = RecordId::next();
        Self {
            id: WindowId(first),
            is_due: false,
            sources: BTreeSet::new(),
            records: vec![first],
            counts: BTreeMap::new(),
        }
    }

    fn count(&mut self, code: &'static str, from: IpAddr) -> RecordId {
        let key = (code, self.source(from));
        if let Some((record, count)) = self.counts.get_mut(&key) {
            *count = count.saturating_add(1);
            return *record;
        }
        let record = self.record_with_room();
        self.counts.insert(key, (record, 1));
        record
    }

    fn source(&mut self, from: IpAddr) -> Source {
        if self.sources.len() < SOURCES {
            self.sources.insert(from);
        }
        if self.sources.contains(&from) {
            Source::Address(from)
        } else {
            Source::Other
        }
    }

    /// The record for one count more than there are.
    fn record_with_room(&mut self) -> RecordId {
        let room = self.records.len().saturating_mul(COUNTS_A_RECORD);
        match self.records.last() {
            Some(last) if self.counts.len() < room => *last,
            _ => {
                let next = RecordId::next();
                self.records.push(next);
                next
            }
        }
    }

    fn drafts(self, boot: BootId) -> Vec<Draft> {
        let Self {
            records, counts, ..
        } = self;
        let told_in = |record: RecordId| {
            let told = counts.iter().filter(move |(_, told)| told.0 == record);
            told.map(|((code, source), (_, count))| Count {
                code,
                address: source.to_string(),
                count: *count,
            })
        };
        let draft = |record| Draft::summary(record, boot, &told_in(record).collect::<Vec<_>>());
        records.iter().copied().map(draft).collect()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Other => f.write_str("other"),
        }
    }
}

impl Rate {
    fn admits(&mut self, now: Instant) -> bool {
        let owed = self.spent_until.unwrap_or(now);
        let spent = owed.saturating_duration_since(now) + self.interval;
        if spent > SECOND {
            return false;
        }
        self.spent_until = Some(now + spent);
        true
    }
}

const SECOND: Duration = Duration::from_secs(1);

/// The audit contract's bound on the addresses that a summary names.
const SOURCES: usize = 32;

/// A count takes at most 116 bytes and what stands around the counts at most 400, so a record stays
/// within the contract's 8 KiB.
const COUNTS_A_RECORD: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{audit::chain::LineHash, ids::JournalId};

    /// As long as the longest code.
    const CODES: [&str; 3] = [
        "idempotency_in_progress",
        "as_long_as_that_one_is_",
        "and_this_one_is_as_long",
    ];

    #[tokio::test(start_paused = true)]
    async fn admits_a_seconds_worth_at_once_and_the_rate_from_then_on() {
        for (rate, steps) in [(1, 1), (3, 3), (7, 7), (50, 50), (100_000, 100)] {
            let mut limit = Rate {
                interval: SECOND / rate,
                spent_until: None,
            };
            assert_eq!(admitted(&mut limit), rate, "at once");
            for _ in 0..steps {
                tokio::time::advance(SECOND / steps + Duration::from_nanos(1)).await;
                assert_eq!(admitted(&mut limit), rate / steps, "in each step");
            }
            tokio::time::advance(SECOND * 60).await;
            assert_eq!(admitted(&mut limit), rate, "however long nobody came");
        }
    }

    fn admitted(limit: &mut Rate) -> u32 {
        let mut admitted = 0;
        while limit.admits(Instant::now()) {
            admitted += 1;
        }
        admitted
    }

    #[test]
    fn keeps_the_longest_summaries_within_the_bound_of_a_record() {
        let tally = Tally::beyond(NonZeroU32::MIN);
        let address = |last: u16| {
            let last = 0xff00 + last;
            IpAddr::from([0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, last])
        };
        let mut named = BTreeMap::new();
        for code in CODES {
            for last in 0..100 {
                let counted = tally.count(code, address(last));
                *named.entry(counted.record.to_string()).or_insert(0) += 1;
            }
        }
        for (_, count) in tally.state().window.as_mut().unwrap().counts.values_mut() {
            *count = u64::MAX - *count;
        }
        tally.close_any();

        let drafts = tally.take_due(BootId::next());

        assert_eq!(drafts.len(), 2, "3 codes of 33 sources");
        for draft in drafts {
            let zero = LineHash::of(b"");
            let line = draft.line(JournalId::random(), u64::MAX, SystemTime::UNIX_EPOCH, zero);
            assert!(line.len() <= 8192, "{} bytes", line.len());
            let record: serde_json::Value = serde_json::from_slice(&line).unwrap();
            let counts = record["counts"].as_array().unwrap();
            let told: u64 = counts
                .iter()
                .map(|it| u64::MAX - it["count"].as_u64().unwrap())
                .sum();
            assert_eq!(named[record["id"].as_str().unwrap()], told);
        }
    }

    #[test]
    fn takes_one_address_in_both_its_forms_for_one() {
        let tally = Tally::beyond(NonZeroU32::MIN);

        for address in ["192.0.2.7", "::ffff:192.0.2.7"] {
            tally.count("not_http", address.parse().unwrap());
        }

        let state = tally.state();
        let counts: Vec<_> = state.window.as_ref().unwrap().counts.iter().collect();
        let [((_, source), (_, 2))] = counts[..] else {
            panic!("{counts:?}")
        };
        assert_eq!(source.to_string(), "192.0.2.7");
    }

    #[test]
    fn closes_no_window_but_the_one_that_is_meant() {
        let tally = Tally::beyond(NonZeroU32::MIN);
        let address = IpAddr::from([192, 0, 2, 7]);
        let first = tally.count("not_http", address).opened.unwrap();
        assert_eq!(tally.count("not_http", address).opened, None);
        tally.close(first);
        assert_eq!(tally.take_due(BootId::next()).len(), 1);
        let second = tally.count("not_http", address).opened.unwrap();

        tally.close(first);
        assert!(tally.take_due(BootId::next()).is_empty());
        tally.close(second);
        tally.close(first);

        assert_eq!(tally.take_due(BootId::next()).len(), 1);
        assert!(tally.take_due(BootId::next()).is_empty());
    }
}
