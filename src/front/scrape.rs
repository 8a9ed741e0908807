//! What `/metrics` tells: which numbers there are, and where each is read.
//!
//! A further number is one more entry in a file beside this one, and a row in the README.

mod accounts;
mod calls;
mod connections;
mod gateway;
mod journal;
mod sharing;
mod sinks;
mod spans;
mod witnesses;

use crate::{front::admin::Watched, telemetry::metrics::Page};

/// Writes the page of metrics as of now.
pub(in crate::front) fn page(watched: &Watched) -> Result<String, prometheus::Error> {
    let page = Page::default();
    let transfers = &watched.transfers;
    calls::write(&page, &watched.tally, &transfers.places)?;
    connections::write(&page, &watched.door)?;
    sharing::write(&page, &transfers.idempotency)?;
    accounts::write(&page, &transfers.accounts)?;
    journal::write(&page, &transfers.journal)?;
    sinks::write(&page, &watched.sinks)?;
    witnesses::write(&page, watched.witnesses.as_deref())?;
    spans::write(&page, watched.spans.as_deref())?;
    gateway::write(&page, watched)?;
    page.text()
}
