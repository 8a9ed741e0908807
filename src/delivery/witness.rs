//! Witnesses: gateways of a cluster publish the checkpoints of their journals, and each keeps what it hears of others.
//!
//! Whoever rewrites one journal, or makes it vanish, is contradicted by the rest.
//! No call, no record and no sink waits for any of this. What could not be published while the cluster was away is
//! covered by the next checkpoint; what was not heard is heard later, or covered, too.

mod peers;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::{
    audit::{journal::Journal, record::Draft, witness::Sighting},
    delivery::{
        sink::Setback,
        witness::peers::{Heard, Peers},
    },
    ids::JournalId,
};

/// Where gateways publish their checkpoints to each other.
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Publishes a checkpoint's line of a journal, and waits until it is kept.
    fn publish(&self, journal: JournalId, line: Bytes) -> BoxFuture<'_, Result<(), Setback>>;

    /// What was published behind a place, by anybody, in its order; from the beginning, the last of it.
    fn read(&self, behind: Option<u64>) -> BoxFuture<'_, Result<Page, Setback>>;
}

/// What was published.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Where to go on.
    pub upto: u64,
    /// The checkpoints.
    pub sightings: Vec<Sighting>,
    /// How many lines were none, or stood under the name of another journal.
    pub unreadable: u64,
}

/// What came of it so far, as anybody may look at any time.
#[derive(Debug, Default)]
pub struct Tally {
    published: AtomicU64,
    witnessed: AtomicU64,
    contradicted: AtomicU64,
    unreadable: AtomicU64,
}

impl Tally {
    /// How many checkpoints came to what in this run.
    #[must_use]
    pub fn by_result(&self) -> [(&'static str, u64); 4] {
        [
            ("published", &self.published),
            ("witnessed", &self.witnessed),
            ("contradicted", &self.contradicted),
            ("unreadable", &self.unreadable),
        ]
        .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }
}

/// Publishes each checkpoint of a journal until `end` and, where the last one was, what came until then. Of those that
/// come while the cluster is away the last one is published.
pub async fn publish(
    exchange: Arc<dyn Exchange>,
    journal: JournalId,
    mut checkpoints: watch::Receiver<Option<Bytes>>,
    (tally, end): (Arc<Tally>, CancellationToken),
) {
    let mut standing = Standing::of("publishing checkpoints");
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            biased;
            () = end.cancelled() => break,
            changed = checkpoints.changed() => if changed.is_err() { return },
        }
        let Some(line) = checkpoints.borrow_and_update().clone() else {
            continue;
        };
        match end
            .run_until_cancelled(exchange.publish(journal, line))
            .await
        {
            Some(Ok(())) => {
                add(&tally.published, 1);
                standing.up();
                pause = FIRST_PAUSE;
            }
            Some(Err(setback)) => {
                standing.down(&setback);
                checkpoints.mark_changed();
                end.run_until_cancelled(sleep(pause)).await;
                pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
            }
            None => checkpoints.mark_changed(),
        }
    }
    let has_more = checkpoints.has_changed().unwrap_or_default();
    let last = checkpoints.borrow().clone().filter(|_| has_more);
    if let Some(line) = last.filter(|_| !standing.is_down) {
        let published = timeout(LAST_WORDS, exchange.publish(journal, line)).await;
        if matches!(published, Ok(Ok(()))) {
            add(&tally.published, 1);
        }
    }
}

/// Hears what others publish until `end`, and has it written down.
pub fn hear(
    exchange: Arc<dyn Exchange>,
    journal: &Journal,
    (tally, end): (Arc<Tally>, CancellationToken),
) -> impl Future<Output = ()> + Send + 'static + use<> {
    let mut peers = Peers::of(journal);
    let if_open = journal.if_open();
    let mut standing = Standing::of("hearing of other gateways");
    let mut place = None;
    async move {
        while let Some(read) = end.run_until_cancelled(exchange.read(place)).await {
            let page = read.inspect_err(|setback| standing.down(setback));
            if let Ok(page) = page {
                standing.up();
                place = Some(page.upto);
                tell_unreadable(&tally, page.unreadable);
                let Some(journal) = if_open() else { return };
                for heard in peers.take(page.sightings) {
                    note(&journal, &tally, &heard, &end).await;
                }
            }
            if end.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                return;
            }
        }
    }
}

/// Has it written down, and tells of what only a person can judge.
async fn note(journal: &Journal, tally: &Tally, heard: &Heard, end: &CancellationToken) {
    if end.is_cancelled() {
        return;
    }
    let Heard { seen, denied } = heard;
    let draft = Draft::witness(journal.boot(), seen, *denied);
    if let Some(denied) = denied {
        add(&tally.contradicted, 1);
        let what = if seen.journal == journal.id() {
            "somebody else writes this gateway's journal, or its disk was restored to an earlier state: a checkpoint was \
             published that this journal does not have"
        } else if seen.end.upto == denied.upto {
            "a journal has another history than it had: its checkpoint names another line for the same record"
        } else {
            "a journal has fallen back: it was cut off, its disk restored to an earlier state, or two gateways write it"
        };
        error!(
            audit.journal = %seen.journal,
            audit.seq = seen.end.upto,
            audit.upto = denied.upto,
            "{what}"
        );
    }
    match journal.append(draft.clone()).await {
        Ok(()) if denied.is_none() => add(&tally.witnessed, 1),
        Ok(()) => {}
        // What was merely witnessed the next checkpoint covers.
        Err(_) if denied.is_some() => journal.owe(draft),
        Err(unwritten) => {
            debug!(error = %unwritten, "checkpoint of another gateway not written down");
        }
    }
}

fn tell_unreadable(tally: &Tally, count: u64) {
    if count > 0 {
        add(&tally.unreadable, count);
        warn!(
            records = count,
            "what was published as checkpoints of gateways is none; see who may publish there"
        );
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

/// Whether the cluster takes part, told when that changes.
struct Standing {
    what: &'static str,
    is_down: bool,
}

impl Standing {
    fn of(what: &'static str) -> Self {
        Self {
            what,
            is_down: false,
        }
    }

    fn up(&mut self) {
        if std::mem::take(&mut self.is_down) {
            info!("{} goes on", self.what);
        }
    }

    fn down(&mut self, setback: &Setback) {
        if std::mem::replace(&mut self.is_down, true) {
            debug!(error = %setback, "{} still fails", self.what);
        } else {
            warn!(error = %setback, "{} fails", self.what);
        }
    }
}

/// Between two looks, and so between two records about one journal.
const PAUSE: Duration = Duration::from_mins(1);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// A cluster that takes longer has the last checkpoint of this run from the sinks, or from the next one.
const LAST_WORDS: Duration = Duration::from_secs(2);
