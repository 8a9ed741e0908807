//! Answers, counted for those who watch the gateway.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    audit::trail::Facts,
    command::Operation,
    front::{
        problem::{Forwarded, code::Code},
        rendered::Rendered,
        reply::Reply,
    },
    measure::{Counts, Distribution, TIMES},
};

/// Answers by what they were, and how long they took.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Counted>);

#[derive(Debug)]
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
    /// From when the request's head was there to the answer.
    pub whole: Counts,
    /// Of that, what was not spent waiting for the caller's body, the disk, Microsoft, or a call under the same key;
    /// of calls that policy permits.
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
        times.whole.took(whole);
        // Whoever may call nothing has no say in how fast the gateway is.
        if facts.rule.get().is_some() {
            times.own.took(whole.saturating_sub(facts.waited()));
        }
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

impl Default for Counted {
    /// Failures that somebody is to be told of stand at 0 from the start: whoever looks for growth does not
    /// see it in a count that comes into being as 1.
    fn default() -> Self {
        let operations = [Operation::TransfersReject, Operation::TransfersRead];
        let of_operation = operations.into_iter().flat_map(|operation| {
            let failures = FAILURES.into_iter().filter(move |it| it.is_of(operation));
            failures.map(move |code| (operation.as_str(), code))
        });
        let of_none = EARLY.into_iter().map(|code| ("", code));
        let kinds = of_operation.chain(of_none).flat_map(|(operation, code)| {
            let fates = code.forwarded().iter();
            fates.map(move |forwarded| Kind::of(operation, code, *forwarded))
        });
        Self {
            answers: kinds.map(|kind| (kind, 0)).collect(),
            times: BTreeMap::new(),
        }
    }
}

impl Kind {
    fn of(operation: &'static str, code: Code, forwarded: Forwarded) -> Self {
        Self {
            operation,
            outcome: code.outcome().as_str(),
            code: code.as_str(),
            forwarded: forwarded.as_str(),
            status: code.status().as_u16(),
        }
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

/// What may become of a call that policy admits, and should not.
const FAILURES: [Code; 11] = [
    Code::TokenUnavailable,
    Code::AuditUnavailable,
    Code::Overloaded,
    Code::CircuitOpen,
    Code::UpstreamUnreachable,
    Code::UpstreamUnauthorized,
    Code::UpstreamUnconfirmed,
    Code::UpstreamTimeout,
    Code::UpstreamInvalid,
    Code::AuditIncomplete,
    Code::Internal,
];

/// Those of them that may be met before it is known what is asked for.
const EARLY: [Code; 3] = [Code::Overloaded, Code::AuditUnavailable, Code::Internal];
