//! Setting records aside that a sink refused for good.

use std::{io, time::SystemTime};

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
        let gone = || io::Error::other("its ledger is gone");
        let mut ledger = self.ledger.take().ok_or_else(gone)?;
        let now = self.now();
        let entering = spawn_blocking(move || {
            let entered = ledger.enter(&refusal, now);
            (ledger, entered)
        });
        let (ledger, entered) = entering.await.map_err(io::Error::other)?;
        self.ledger = Some(ledger);
        entered
    }
}
