//! The `postgres` sink: a table keyed by the record's ID, acknowledged by a commit.
//!
//! The table is made only where nothing was ever delivered: one that is gone is told, not replaced.

mod copy;
mod place;
mod rows;
mod schema;
mod session;
mod trouble;

use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tokio::sync::Mutex;

use crate::{
    delivery::{
        batch::Batch,
        postgres::session::Session,
        sink::{Setback, Sink, Standing},
    },
    file::Disk,
    ids::JournalId,
    secret::SecretSource,
};

/// What the sink needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A connection string or URL, which holds a password.
    pub url: SecretSource,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
}

impl Settings {
    /// Where the server is, and which database, as the connection string says; no secret of it.
    ///
    /// # Errors
    ///
    /// When that cannot be read.
    pub async fn place(&self, disk: &Disk) -> Result<String, Setback> {
        let (config, _) = session::named(self, disk).await?;
        Ok(place::told(&config))
    }
}

/// A table in `PostgreSQL`.
#[derive(Debug)]
pub struct Postgres {
    settings: Settings,
    disk: Disk,
    session: Mutex<Option<Session>>,
}

impl Postgres {
    /// Connects when it is first asked for something.
    #[must_use]
    pub fn new(settings: Settings, disk: Disk) -> Self {
        Self {
            settings,
            disk,
            session: Mutex::default(),
        }
    }

    /// Runs one step over a connection, which is kept only where all of it went well: after anything else nobody
    /// knows in what state it is.
    async fn with<T>(
        &self,
        step: impl AsyncFnOnce(&Session) -> Result<T, Setback>,
    ) -> Result<T, Setback> {
        let mut kept = self.session.lock().await;
        let session = match kept.take().filter(Session::is_open) {
            Some(session) => session,
            None => Session::open(&self.settings, &self.disk).await?,
        };
        let done = step(&session).await?;
        *kept = Some(session);
        Ok(done)
    }
}

impl Sink for Postgres {
    fn stands(&self, journal: JournalId) -> BoxFuture<'_, Result<Standing, Setback>> {
        Box::pin(self.with(async move |session| {
            if schema::is_there(&session.client).await? {
                rows::last(&session.client, journal).await
            } else {
                Ok(Standing::Nothing)
            }
        }))
    }

    fn establish(&self) -> BoxFuture<'_, Result<(), Setback>> {
        Box::pin(self.with(async |session| schema::make(&session.client).await))
    }

    fn deliver<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<(), Setback>> {
        Box::pin(self.with(async |session| {
            if !schema::is_there(&session.client).await? {
                return Err(schema::gone());
            }
            rows::insert(&session.client, batch).await
        }))
    }
}
