//! Asking the sinks how far they have a journal, before anything is added to it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::warn;

use crate::{
    audit::fork::Ahead,
    delivery::sink::{Sink, Standing},
    ids::JournalId,
};

/// Asks all of them at once, and tells the last record that each of those has that have one. None that does not answer
/// in time is waited for; that is told.
pub async fn ask(sinks: &[(String, Arc<dyn Sink>)], journal: JournalId) -> Vec<Ahead> {
    let asking = sinks.iter().map(|(name, sink)| one(name, &**sink, journal));
    join_all(asking).await.into_iter().flatten().collect()
}

async fn one(name: &str, sink: &dyn Sink, journal: JournalId) -> Option<Ahead> {
    let error = match timeout(LONGEST, sink.stands(journal)).await {
        Ok(Ok(Standing::Upto { seq, hash })) if seq > 0 => {
            return Some(Ahead {
                sink: name.to_owned(),
                seq,
                hash,
            });
        }
        Ok(Ok(_)) => return None,
        Ok(Err(setback)) => setback.to_string(),
        Err(_) => format!("no answer in {} s", LONGEST.as_secs()),
    };
    warn!(
        sink = name,
        error = error,
        "audit sink does not tell at the start how far it has the journal; should it turn out to have more than the disk, it is held until the next start"
    );
    None
}

/// The start waits so long, and calls with it.
const LONGEST: Duration = Duration::from_secs(5);
