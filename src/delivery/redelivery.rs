//! Sending again what a sink refused for good, once whoever keeps it has made it take more.
//!
//! Records go one at a time, and leave the ledger only once the sink has acknowledged them: a kill in between repeats
//! records, and loses none.

use std::{collections::HashSet, io, ops::RangeInclusive, path::PathBuf, sync::Arc};

use tokio::task::spawn_blocking;

use crate::{
    audit::{
        chain::LineHash,
        reader,
        refused::{Ledger, entry::Entered},
    },
    delivery::{
        batch::{Batch, Line},
        patience::{PATIENCE, within},
        sink::{Setback, Sink},
    },
    ids::{JournalId, RecordId},
};

/// A sink, and what it refused of a journal.
#[derive(Debug)]
pub struct Redelivery {
    sink: Arc<dyn Sink>,
    ledger: Arc<Ledger>,
    dir: PathBuf,
    journal: JournalId,
}

/// What came of it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redelivered {
    /// The records that were tried, in the order of the ledger.
    pub tried: Vec<Tried>,
    /// How many were not tried, because of a setback.
    pub untried: usize,
    /// Lines of the ledger that do not tell of a record, whatever numbers were asked for.
    pub unreadable: usize,
    /// Why not.
    pub setback: Option<Setback>,
}

/// A record that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Whose record it is.
    pub journal: JournalId,
    /// Its number.
    pub seq: u64,
    /// Its own name.
    pub id: RecordId,
    /// What came of it.
    pub result: Outcome,
}

/// What came of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it, and the ledger no more.
    Taken,
    /// The sink refused it again, and said this.
    Refused(String),
    /// It was not sent.
    Unfit(&'static str),
}

/// The ledger cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("the ledger {path:?} of what the sink refused")]
pub struct Unkept {
    path: PathBuf,
    source: io::Error,
}

impl Redelivery {
    /// Of a sink with this name, of the journal in `dir`.
    #[must_use]
    pub fn of(sink: Arc<dyn Sink>, name: &str, (dir, journal): (PathBuf, JournalId)) -> Self {
        Self {
            sink,
            ledger: Arc::new(Ledger::of(&dir, journal, name)),
            dir,
            journal,
        }
    }

    /// Sends what the ledger has of these numbers. A running gateway may go on entering records meanwhile.
    ///
    /// # Errors
    ///
    /// When the ledger cannot be read, or what the sink has taken cannot be removed from it: it is sent again the
    /// next time.
    pub async fn run(&self, numbers: RangeInclusive<u64>) -> Result<Redelivered, Unkept> {
        let ledger = Arc::clone(&self.ledger);
        let entries = self.blocking(move || ledger.entries()).await?;
        let wanted = entries.records.into_iter();
        let wanted = wanted.filter(|it| numbers.contains(&it.seq));
        let wanted: Vec<Entered> = wanted.collect();
        let mut done = Redelivered {
            unreadable: entries.unreadable,
            ..Redelivered::default()
        };
        for some in wanted.chunks(REMOVED_AT_ONCE) {
            let (tried, setback) = self.try_some(some).await;
            let taken = tried.iter().filter(|it| it.result == Outcome::Taken);
            let taken: HashSet<_> = taken.map(|it| (it.journal, it.seq)).collect();
            let ledger = Arc::clone(&self.ledger);
            self.blocking(move || ledger.remove(&taken)).await?;
            done.tried.extend(tried);
            done.setback = setback;
            if done.setback.is_some() {
                break;
            }
        }
        done.untried = wanted.len().saturating_sub(done.tried.len());
        Ok(done)
    }

    async fn try_some(&self, some: &[Entered]) -> (Vec<Tried>, Option<Setback>) {
        let mut tried = Vec::new();
        for entered in some {
            match self.try_one(entered).await {
                Ok(result) => tried.push(Tried {
                    journal: entered.journal,
                    seq: entered.seq,
                    id: entered.id,
                    result,
                }),
                Err(setback) => return (tried, Some(setback)),
            }
        }
        (tried, None)
    }

    async fn try_one(&self, entered: &Entered) -> Result<Outcome, Setback> {
        let Some(line) = line(entered) else {
            return Ok(Outcome::Unfit("the ledger does not have its line"));
        };
        if self.is_another(&line, entered.journal).await {
            return Ok(Outcome::Unfit(
                "the line in the ledger is another than the journal's",
            ));
        }
        let Some(batch) = Batch::of(entered.journal, vec![line]) else {
            return Ok(Outcome::Taken);
        };
        match within(Some(PATIENCE), self.sink.deliver(&batch)).await {
            Ok(()) => Ok(Outcome::Taken),
            Err(Setback::Refused { why } | Setback::PartlyRefused { why }) => {
                Ok(Outcome::Refused(why))
            }
            Err(setback) => Err(setback),
        }
    }

    /// Whether the journal still has the record, and it is another one.
    async fn is_another(&self, line: &Line, journal: JournalId) -> bool {
        if journal != self.journal {
            return false;
        }
        let (dir, seq) = (self.dir.clone(), line.seq);
        let found = spawn_blocking(move || reader::head_at(&dir, seq)).await;
        // What retention has removed, or cannot be read now, nothing can be held against.
        let had = found.ok().and_then(|found| found.ok().flatten());
        had.is_some_and(|had| had.hash() != line.hash)
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Unkept> {
        let done = spawn_blocking(work).await;
        let done = done.map_err(io::Error::other).flatten();
        done.map_err(|source| Unkept {
            path: self.ledger.path().to_owned(),
            source,
        })
    }
}

/// The line of an entry, where the ledger has one.
fn line(entered: &Entered) -> Option<Line> {
    let text = entered.line.clone()?;
    Some(Line {
        seq: entered.seq,
        id: entered.id,
        hash: LineHash::of(text.as_bytes()),
        text,
    })
}

/// A ledger is written anew after so many; a kill repeats as many at most.
const REMOVED_AT_ONCE: usize = 64;
