//! Checkpoints in a stream of their own, beside the audit stream, whose records name the one before them and so suffer
//! no others in between.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_nats::jetstream::{message::PublishMessage, stream::Stream};
use bytes::Bytes;
use futures_util::future::{BoxFuture, join_all};
use tracing::error;

use crate::{
    audit::{chain::LineHash, witness::Sighting},
    cluster::{Cluster, Connected},
    delivery::{
        nats::{
            stream::{self, Wanted},
            trouble,
        },
        patience::{PATIENCE, within},
        sink::Setback,
        witness::{Exchange, Page},
    },
    ids::JournalId,
};

/// The stream of checkpoints.
#[derive(Debug)]
pub struct Checkpoints {
    cluster: Arc<Cluster>,
    wanted: Wanted,
    /// Whether this run has seen the stream.
    was_there: AtomicBool,
}

impl Checkpoints {
    /// Publishes to the stream that belongs to the one that the cluster's settings name.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>) -> Self {
        let wanted = Wanted::checkpoints(cluster.settings());
        Self {
            cluster,
            wanted,
            was_there: AtomicBool::new(false),
        }
    }

    async fn connected(&self) -> Result<Connected, Setback> {
        let connected = self.cluster.connected().await;
        connected.map_err(|away| trouble::away(&away))
    }

    async fn find(&self, connected: &Connected) -> Result<Option<Stream>, Setback> {
        let found = stream::find_as(connected, &self.wanted).await?;
        if found.is_some() {
            self.was_there.store(true, Ordering::Relaxed);
        } else if self.was_there.swap(false, Ordering::Relaxed) {
            error!(
                stream = self.wanted.name,
                "the stream of checkpoints is gone, with those that were in it; it is made anew for those to come"
            );
        }
        Ok(found)
    }

    async fn send(&self, journal: JournalId, line: Bytes) -> Result<(), Setback> {
        let connected = self.connected().await?;
        if self.find(&connected).await?.is_none() {
            stream::make_as(&connected, &self.wanted).await?;
        }
        let subject = self.wanted.subject(journal);
        // The same checkpoint again, because its acknowledgement was lost, is dropped.
        let message = PublishMessage::build()
            .message_id(LineHash::of(&line).to_string())
            .expected_stream(&self.wanted.name)
            .payload(line);
        let sending = connected.jetstream.send_publish(subject.clone(), message);
        let sent = trouble::answered(&connected, &subject, async {
            match async { sending.await?.await }.await {
                Ok(_) => Ok(()),
                Err(error) => Err(trouble::publishing(&error)),
            }
        });
        sent.await
    }

    async fn look(&self, behind: Option<u64>) -> Result<Page, Setback> {
        let connected = self.connected().await?;
        let Some(stream) = self.find(&connected).await? else {
            return Ok(Page::default());
        };
        let state = &stream.cached_info().state;
        let last = state.last_sequence;
        // A stream that ends before the place is another one.
        let first = match behind.filter(|behind| *behind <= last) {
            Some(behind) => behind.saturating_add(1).max(last.saturating_sub(MOST)),
            None => last.saturating_sub(AT_FIRST).saturating_add(1),
        };
        let mut page = Page {
            upto: last,
            ..Page::default()
        };
        let numbers: Vec<_> = (first.max(state.first_sequence).max(1)..=last).collect();
        for some in numbers.chunks(AT_ONCE) {
            let asked = some.iter().map(|number| stream.get_raw_message(*number));
            let answers = trouble::answered(&connected, &self.wanted.name, async {
                Ok(join_all(asked).await)
            });
            for answer in answers.await? {
                let Some(message) = trouble::found(answer)? else {
                    continue;
                };
                let sighting = Sighting::read(&message.payload);
                let own = |seen: &Sighting| *message.subject == *self.wanted.subject(seen.journal);
                match sighting.filter(own) {
                    Some(seen) => page.sightings.push(seen),
                    None => page.unreadable = page.unreadable.saturating_add(1),
                }
            }
        }
        Ok(page)
    }
}

impl Exchange for Checkpoints {
    fn publish(&self, journal: JournalId, line: Bytes) -> BoxFuture<'_, Result<(), Setback>> {
        Box::pin(within(Some(PATIENCE), Box::pin(self.send(journal, line))))
    }

    fn read(&self, behind: Option<u64>) -> BoxFuture<'_, Result<Page, Setback>> {
        Box::pin(within(Some(PATIENCE), Box::pin(self.look(behind))))
    }
}

/// Of those that were published before this run: some of each of many replicas.
const AT_FIRST: u64 = 256;

/// Of those that were published between two looks.
const MOST: u64 = 1024;

/// As many as are asked for before the first answer has come.
const AT_ONCE: usize = 64;
