//! Checkpoints: what the signature of the chain's head covers, and when one is due.

use std::time::Duration;

use crate::{
    audit::{chain::Head, journal::Journal},
    ids::JournalId,
};

/// What is signed over the end of a chain.
#[must_use]
pub fn over(journal: JournalId, end: &Head) -> String {
    let (head, previous) = (end.hash().to_string(), end.checkpoint().to_string());
    statement(journal, end.seq(), &head, &previous)
}

/// What is signed: the journal, the number and hash of the line before the checkpoint, and the hash of
/// the previous checkpoint's line, or 64 zeros.
#[must_use]
pub fn statement(journal: JournalId, upto: u64, head: &str, previous: &str) -> String {
    format!("partner-gateway/audit/v1\n{journal}\n{upto}\n{head}\n{previous}\n")
}

/// Has a checkpoint written at every interval for as long as the journal is open, also where nothing
/// happened: otherwise nobody could tell silence from records that were taken away.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever stops the journal writes the last checkpoint, so no drain has to wait for the next one"
)]
pub(in crate::audit) fn write_in_time(
    interval: Duration,
    still_open: impl Fn() -> Option<Journal> + Send + 'static,
) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(interval).await;
            let Some(journal) = still_open() else {
                return;
            };
            // The writer tells of a disk that refuses it, and the next one covers the same records.
            drop(journal.sign().await);
        }
    });
}
