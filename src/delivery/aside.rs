//! Setting records aside that a sink refused for good.

use std::{io, ops::RangeInclusive, time::SystemTime};

use tokio::task::spawn_blocking;

use crate::{
    audit::refused::{Ledger, Refusal},
    clock::SharedClock,
};

/// The ledger of a sink, written in a thread that may block.
#[derive(Debug)]
pub(in crate::delivery) struct Aside {
    ledger: Option<Ledger>,
    clock: SharedClock,
}

impl Aside {
    pub(in crate::delivery) fn into(ledger: Ledger, clock: SharedClock) -> Self {
        Self {
            ledger: Some(ledger),
            clock,
        }
    }

    pub(in crate::delivery) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// Enters a record durably.
    pub(in crate::delivery) async fn enter(&mut self, refusal: Refusal) -> io::Result<()> {
        let now = self.now();
        let entered = self.with(move |ledger| ledger.enter(&refusal, now));
        entered.await
    }

    /// Whether all of these records were set aside, so that the sink has lost none of them.
    pub(in crate::delivery) async fn has_all(
        &mut self,
        records: RangeInclusive<u64>,
    ) -> io::Result<bool> {
        let entered = self.with(|ledger| ledger.entered()).await?;
        Ok(records.into_iter().all(|seq| entered.contains(&seq)))
    }

    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Ledger) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let gone = || io::Error::other("its ledger is gone");
        let mut ledger = self.ledger.take().ok_or_else(gone)?;
        let path = ledger.path().to_owned();
        let working = spawn_blocking(move || {
            let done = work(&mut ledger);
            (ledger, done)
        });
        let (ledger, done) = working.await.map_err(io::Error::other)?;
        self.ledger = Some(ledger);
        done.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }
}

/// Records are made by one program in one way: some may be too long for a sink, and not so many one after the other.
pub(in crate::delivery) const MOST_IN_A_ROW: u32 = 16;
