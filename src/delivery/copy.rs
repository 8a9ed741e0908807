//! What a sink has received, read back from it.

use futures_util::future::BoxFuture;

use crate::{audit::verify::copy::Entry, delivery::sink::Setback, ids::JournalId};

/// A sink that can be read.
pub trait Readable: Send + Sync {
    /// Tells what there is by now; without its stream or table there is nothing.
    fn holds(&self, journal: JournalId) -> BoxFuture<'_, Result<Holding, Setback>>;

    /// Reads on behind an entry up to another, in the order of the sink, as many as come at once; none only where
    /// there are no more.
    fn read(
        &self,
        journal: JournalId,
        behind: u64,
        upto: u64,
    ) -> BoxFuture<'_, Result<Vec<Entry>, Setback>>;
}

/// What a sink has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The number of the journal's last entry, as the sink counts; 0 where it has none.
    pub upto: u64,
    /// Other journals that it has, with the number of their entries, in the order of their names.
    pub others: Vec<(String, u64)>,
}
