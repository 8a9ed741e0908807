//! `audit query`: finds records, newest first.

use std::io::{self, BufWriter, Write as _};

use super::{
    finding::{self, Asked, Teller, Untold},
    place::Place,
};
use crate::{
    audit::search::{Effort, Next, Search},
    config::environment::Environment,
};

/// What is asked for.
#[derive(Debug)]
pub struct Question {
    /// Where the journal is.
    pub place: Place,
    /// Which records.
    pub asked: Asked,
    /// How many at most; all, without one.
    pub limit: Option<usize>,
    /// Whether a program reads the answer.
    pub json: bool,
}

/// Tells the records that are asked for, and returns the exit code.
#[must_use]
pub fn run(question: Question, environment: &Environment) -> u8 {
    finding::ended(tell(question, environment))
}

fn tell(question: Question, environment: &Environment) -> Result<(), Untold> {
    let dir = question.place.found(environment)?;
    finding::is_there(&dir)?;
    let filters = question.asked.filters();
    let mut search = Search::begin(&dir, &filters, u64::MAX, READING)?;
    let mut teller = Teller {
        out: BufWriter::new(io::stdout().lock()),
        json: question.json,
    };
    let mut left = question.limit.unwrap_or(usize::MAX);
    while left > 0
        && let Next::Found(record) = search.find_next()?
    {
        teller.tell(&record.line)?;
        left = left.saturating_sub(1);
    }
    teller.out.flush()?;
    finding::say_passed_over(&dir, search.passed_over());
    Ok(finding::say_ended(&dir)?)
}

/// As much as it takes, and nothing is changed: the journal may be somebody else's copy.
pub(in crate::cli::audit) const READING: Effort = Effort {
    most_bytes: None,
    leaves_index: false,
};
