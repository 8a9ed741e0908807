//! A connection: made over TLS, and closed when it is dropped.

use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::task::JoinSet;
use tokio_postgres::{Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{
    cause,
    delivery::{
        postgres::{
            Settings,
            place::{self, Way},
            schema, trouble,
        },
        sink::Setback,
    },
    file::Disk,
    http_client::trust,
};

/// A connection that is open, or was a moment ago.
#[derive(Debug)]
pub(in crate::delivery::postgres) struct Session {
    pub(in crate::delivery::postgres) client: Client,
    /// What carries the bytes; it ends with the session.
    _carrying: JoinSet<()>,
}

impl Session {
    /// Reads the connection string anew and connects.
    pub(in crate::delivery::postgres) async fn open(
        settings: &Settings,
        disk: &Disk,
    ) -> Result<Self, Setback> {
        let (config, way) = named(settings, disk).await?;
        let connecting = async {
            match way {
                Way::Plain => Self::plain(&config).await,
                Way::Tls => Self::encrypted(&config, settings).await,
            }
        };
        let late = |_| Err(trouble::passing("no connection to PostgreSQL in time"));
        let session = tokio::time::timeout(LONGEST_CONNECT, connecting)
            .await
            .unwrap_or_else(late)?;
        schema::check_encoding(&session.client).await?;
        Ok(session)
    }

    pub(in crate::delivery::postgres) fn is_open(&self) -> bool {
        !self.client.is_closed()
    }

    async fn plain(config: &Config) -> Result<Self, Setback> {
        let connected = config.connect(NoTls).await;
        let (client, connection) = connected.map_err(|error| trouble::connecting(&error))?;
        Ok(Self::over(client, connection))
    }

    async fn encrypted(config: &Config, settings: &Settings) -> Result<Self, Setback> {
        let ca_file = settings.ca_file.clone();
        let trusting = move || trust::beside_the_machines(ca_file.as_deref());
        let trusting = tokio::task::spawn_blocking(trusting).await;
        let trusting = trusting.map_err(|error| trouble::passing(&cause::chain(&error)))?;
        let tls = trusting.map_err(|error| trouble::held(&cause::chain(&error)))?;
        let connected = config.connect(MakeRustlsConnect::new(tls)).await;
        let (client, connection) = connected.map_err(|error| trouble::connecting(&error))?;
        Ok(Self::over(client, connection))
    }

    fn over(
        client: Client,
        connection: impl Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
    ) -> Self {
        let mut carrying = JoinSet::new();
        // Whoever waits for an answer is told the error, too.
        carrying.spawn(async move { drop(connection.await) });
        Self {
            client,
            _carrying: carrying,
        }
    }
}

/// Reads the connection string.
pub(in crate::delivery::postgres) async fn named(
    settings: &Settings,
    disk: &Disk,
) -> Result<(Config, Way), Setback> {
    let url = settings.url.read(disk).await.map_err(|error| {
        if error.is_passing() {
            trouble::passing(&cause::chain(&error))
        } else {
            trouble::held(&cause::chain(&error))
        }
    })?;
    place::place(url.expose_secret())
}

/// Name, TCP, TLS and the password.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

/// As the server takes it: a batch of 256 records takes milliseconds.
pub(in crate::delivery::postgres) const LONGEST_STATEMENT: &str = "30s";
