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
    /// How many were set aside since the sink last took one.
    in_a_row: u32,
}

impl Aside {
    pub(in crate::delivery) fn into(ledger: Ledger, clock: SharedClock) -> Self {
        Self {
            ledger: Some(ledger),
            clock,
            in_a_row: 0,
        }
    }

    /// Whether so many were refused, and none taken, that it is the sink that is wrong and not the records.
    pub(in crate::delivery) fn is_enough(&self) -> bool {
        self.in_a_row >= MOST_IN_A_ROW
    }

    /// Notes that the sink took records.
    pub(in crate::delivery) fn sink_takes(&mut self) {
        self.in_a_row = 0;
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
        if entered.is_ok() {
            self.in_a_row = self.in_a_row.saturating_add(1);
        }
        entered
    }
}

/// Records are made by one program in one way: some may be too long for a sink, and not so many one after the other.
const MOST_IN_A_ROW: u32 = 16;
