//! The `nats` sink: the audit stream of the cluster, acknowledged by the stream.
//!
//! Each record names the one of its journal that has to stand before it, so that the stream itself refuses gaps and
//! repeats, whatever was lost on the way. Where the sink really stands it asks the stream, after each connect and each
//! setback. The stream is made only where nothing was ever delivered.

pub mod checkpoints;
mod copy;
mod pipeline;
mod stream;
mod trouble;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::{
    cluster::{Cluster, Connected},
    delivery::{
        batch::Batch,
        nats::pipeline::Position,
        sink::{Setback, Sink, Standing},
    },
    ids::JournalId,
};

/// The audit stream.
#[derive(Debug)]
pub struct Nats {
    cluster: Arc<Cluster>,
    position: Mutex<Option<Position>>,
}

impl Nats {
    /// Delivers to the stream that the cluster's settings name.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>) -> Self {
        Self {
            cluster,
            position: Mutex::default(),
        }
    }

    async fn connected(&self) -> Result<Connected, Setback> {
        let connected = self.cluster.connected().await;
        connected.map_err(|away| trouble::away(&away))
    }

    async fn ask(&self, journal: JournalId) -> Result<Standing, Setback> {
        let mut kept = self.position.lock().await;
        *kept = None;
        let connected = self.connected().await?;
        let settings = self.cluster.settings();
        let Some(stream) = stream::find(&connected, settings).await? else {
            return Ok(Standing::Nothing);
        };
        let position = Position::ask(&connected, stream, journal).await?;
        let standing = position.standing();
        *kept = Some(position);
        Ok(standing)
    }

    async fn send(&self, batch: &Batch) -> Result<(), Setback> {
        let mut kept = self.position.lock().await;
        let connected = self.connected().await?;
        let settings = self.cluster.settings();
        let known = kept.take();
        let known = known.filter(|position| position.holds_for(&connected, batch.journal()));
        let mut position = match known {
            Some(position) => position,
            None => match stream::find(&connected, settings).await? {
                Some(stream) => Position::ask(&connected, stream, batch.journal()).await?,
                None => return Err(stream::gone(settings)),
            },
        };
        position.advance(&connected, batch).await?;
        *kept = Some(position);
        Ok(())
    }
}

impl Sink for Nats {
    fn stands(&self, journal: JournalId) -> BoxFuture<'_, Result<Standing, Setback>> {
        Box::pin(self.ask(journal))
    }

    fn establish(&self) -> BoxFuture<'_, Result<(), Setback>> {
        Box::pin(async {
            let connected = self.connected().await?;
            stream::make(&connected, self.cluster.settings()).await
        })
    }

    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>> {
        Box::pin(self.send(batch))
    }
}
