//! What every sink can do, and what it may say.

use std::{fmt, future, time::Duration};

use futures_util::future::BoxFuture;

use crate::{audit::chain::LineHash, delivery::batch::Batch, ids::JournalId};

/// A place outside the gateway where records are kept, too.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Asks the sink how far it has a journal, before the first record of a run and after each setback.
    fn stands(&self, journal: JournalId) -> BoxFuture<'_, Result<Standing, Setback>>;

    /// Makes what records go into, where it is absent: a table, a stream. Asked where the sink has nothing of the
    /// journal, and not by a run that found that it had lost something: that is told, not replaced.
    fn establish(&self) -> BoxFuture<'_, Result<(), Setback>> {
        Box::pin(future::ready(Ok(())))
    }

    /// Hands records over. Success means that the sink has acknowledged every one of them; that a record is
    /// there already is a success, too.
    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>>;
}

/// How far a sink has a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It cannot be asked: its acknowledgements are all there is.
    Untold,
    /// It has no record of the journal.
    Nothing,
    /// It has the journal up to this record.
    Upto {
        /// The record's number.
        seq: u64,
        /// The hash of its line as the sink has it.
        hash: LineHash,
    },
}

/// Why records were not taken. What is said in words never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// It may pass by itself: the same records are sent again.
    #[error("{why}")]
    Passing {
        /// What happened.
        why: String,
        /// How long the sink asked to be left alone.
        after: Option<Duration>,
    },
    /// A person is needed: wrong credentials, a wrong address, a stream of the wrong shape. The same records are
    /// sent again, seldom.
    #[error("{why}")]
    Held {
        /// What is wrong, and the mend.
        why: String,
    },
    /// These records were refused for good, all of them, because of the request as a whole or any one of them.
    #[error("{why}")]
    Refused {
        /// What the sink said.
        why: String,
    },
    /// Some of these records were refused for good, and the sink does not say which; the others it has.
    #[error("{why}")]
    PartlyRefused {
        /// What the sink said.
        why: String,
    },
}
