//! `audit tail`: the last records, oldest first, and those to come.

use std::{
    collections::VecDeque,
    io::{self, BufWriter, Write},
    path::Path,
    thread,
    time::Duration,
};

use super::{
    finding::{self, Asked, Teller, Untold},
    place::Place,
    query::READING,
};
use crate::{
    audit::search::{Next, Search, filters::Filters, follow::Follow},
    config::environment::Environment,
};

/// What is asked for.
#[derive(Debug)]
pub struct Question {
    /// Where the journal is.
    pub place: Place,
    /// Which records.
    pub asked: Asked,
    /// How many of those that are there.
    pub last: usize,
    /// Whether to go on with those to come.
    pub follow: bool,
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
    if !question.follow {
        finding::is_there(&dir)?;
    }
    let filters = question.asked.filters();
    let (mut follow, due) = Follow::from_end(&dir)?;
    let mut teller = Teller {
        out: BufWriter::new(io::stdout().lock()),
        json: question.json,
    };
    for line in last(&dir, &filters, due, question.last)? {
        teller.tell(&line)?;
    }
    teller.out.flush()?;
    if !question.follow {
        return Ok(());
    }
    loop {
        follow.tell(&filters, &mut |line| Ok::<_, Untold>(teller.tell(line)?))?;
        teller.out.flush()?;
        thread::sleep(BETWEEN_LOOKS);
    }
}

/// The last records below a number, oldest first.
fn last(
    dir: &Path,
    filters: &Filters,
    below: u64,
    count: usize,
) -> Result<VecDeque<Vec<u8>>, Untold> {
    let mut search = Search::begin(dir, filters, below, READING)?;
    let mut lines = VecDeque::new();
    while lines.len() < count
        && let Next::Found(record) = search.find_next()?
    {
        lines.push_front(record.line);
    }
    Ok(lines)
}

/// A person does not notice.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
