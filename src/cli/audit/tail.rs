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
use clap::Args;

use crate::{
    audit::{
        search::{Next, Search, filters::Filters, follow::Follow},
        verify,
    },
    config::environment::Environment,
};

/// What is asked for.
#[derive(Debug, Args)]
pub struct Question {
    /// Where the journal is.
    #[command(flatten)]
    pub place: Place,
    /// Which records.
    #[command(flatten)]
    pub asked: Asked,
    /// How many of the records that are there.
    #[arg(short = 'n', long = "last", value_name = "N", default_value_t = 10)]
    pub last: usize,
    /// Goes on with the records to come, until it is interrupted.
    #[arg(long, short = 'f')]
    pub follow: bool,
    /// Tells records as they stand in the journal, one a line.
    #[arg(long)]
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
    finding::say_ended(&dir)?;
    if !question.follow {
        return Ok(());
    }
    let mut followed = verify::identity(&dir).ok();
    loop {
        let now = verify::identity(&dir).ok();
        if followed.is_some() && now.is_some() && now != followed {
            return Err(Untold::Ended { dir });
        }
        followed = followed.or(now);
        follow.tell(&filters, &mut |line| Ok::<_, Untold>(teller.tell(line)?))?;
        teller.out.flush()?;
        finding::say_passed_over(&dir, follow.take_passed_over());
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
    finding::say_passed_over(dir, search.passed_over());
    Ok(lines)
}

/// A person does not notice.
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);
