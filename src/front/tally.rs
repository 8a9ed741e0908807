//! Answers, counted for those who watch the gateway.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    audit::trail::Facts,
    front::{rendered::Rendered, reply::Reply},
    measure::{Counts, Distribution, TIMES},
};

/// Answers by what they were, and how long they took.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    answers: BTreeMap<Kind, u64>,
    times: BTreeMap<&'static str, Times>,
}

/// What is told apart; nothing of it comes from a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// What was asked for; empty where that is not known.
    pub operation: &'static str,
    /// The value of `Gateway-Outcome`.
    pub outcome: &'static str,
    /// The gateway's own code; empty where Partner Center's answer was passed on.
    pub code: &'static str,
    /// Whether Partner Center was asked, as `forwarded` says.
    pub forwarded: &'static str,
    /// The status.
    pub status: u16,
}

#[derive(Debug)]
struct Times {
    whole: Distribution,
    own: Distribution,
}

/// How long answers to one operation took.
#[derive(Clone, Debug)]
pub struct Took {
    /// What was asked for.
    pub operation: &'static str,
    /// From the first byte of the request to the answer.
    pub whole: Counts,
    /// Of that, what was not spent waiting for the disk, Microsoft, or a call under the same key.
    pub own: Counts,
}

impl Tally {
    /// Counts an answer whose record is written.
    pub(in crate::front) fn note(&self, facts: &Facts, reply: &Reply, rendered: &Rendered) {
        let operation = facts.operation.get().copied().unwrap_or_default();
        let kind = Kind {
            operation,
            outcome: rendered.outcome(),
            code: reply.code().unwrap_or_default(),
            forwarded: reply.forwarded().as_str(),
            status: rendered.status().as_u16(),
        };
        let whole = facts.began.elapsed();
        let mut counted = self.counted();
        let count = counted.answers.entry(kind).or_default();
        *count = count.saturating_add(1);
        let times = counted.times.entry(operation).or_default();
        times.note(whole, whole.saturating_sub(facts.waited()));
    }

    /// How many answers of each kind there were.
    #[must_use]
    pub fn answers(&self) -> Vec<(Kind, u64)> {
        let counted = self.counted();
        let answers = counted.answers.iter();
        answers.map(|(kind, count)| (*kind, *count)).collect()
    }

    /// How long answers took, by operation.
    #[must_use]
    pub fn times(&self) -> Vec<Took> {
        let counted = self.counted();
        let times = counted.times.iter();
        times
            .map(|(operation, times)| Took {
                operation,
                whole: times.whole.so_far(),
                own: times.own.so_far(),
            })
            .collect()
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn note(&self, whole: Duration, own: Duration) {
        self.whole.took(whole);
        self.own.took(own);
    }
}

impl Default for Times {
    fn default() -> Self {
        Self {
            whole: Distribution::of(TIMES),
            own: Distribution::of(TIMES),
        }
    }
}
