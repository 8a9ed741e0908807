//! The cluster: one connection to NATS, which replicas share things over.
//!
//! The gateway starts without it and goes on without it. The connection is made when it is first needed, again for as
//! long as it takes, and whoever needs it while it is away is told why.

pub mod bucket;
pub mod bucket_error;
pub mod entry;
pub mod link;
pub mod servers;

mod credentials;
mod past;
mod shape;

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_nats::{Client, ConnectOptions, jetstream};
use tokio::sync::{OnceCell, watch};

use crate::{
    cause,
    cluster::{
        credentials::answer,
        link::{Away, Line, Link},
        servers::Servers,
    },
    file::Disk,
    http_client::trust,
    secret::SecretSource,
};

/// What the cluster needs from the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its servers.
    pub servers: Servers,
    /// A file of credentials (`.creds`), or a user's seed.
    pub credentials: Option<SecretSource>,
    /// A further trust anchor, in PEM.
    pub ca_file: Option<PathBuf>,
    /// The name of the audit stream.
    pub stream: String,
    /// How many copies of what is kept there are.
    pub replicas: usize,
}

/// The connection; all who have it share it.
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    disk: Disk,
    line: Arc<Line>,
    client: OnceCell<Client>,
}

/// The connection while it stands.
#[derive(Clone, Debug)]
pub struct Connected {
    /// What `JetStream` is asked through.
    pub jetstream: jetstream::Context,
    /// Which connection this is: another one after each time that it was away.
    pub times: u64,
    link: watch::Receiver<Link>,
    denied: watch::Receiver<Option<String>>,
    said: watch::Receiver<Option<String>>,
}

impl Cluster {
    /// Connects when somebody needs it.
    #[must_use]
    pub fn new(settings: Settings, disk: Disk) -> Self {
        Self {
            settings,
            disk,
            line: Arc::default(),
            client: OnceCell::new(),
        }
    }

    /// What it was told.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The connection. Only the first attempt is waited for, and not for long.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn connected(&self) -> Result<Connected, Away> {
        let mut link = self.line.link();
        let client = self.client.get_or_try_init(|| self.connect()).await?;
        let standing = link.wait_for(|link| *link != Link::Unknown);
        let Ok(Ok(standing)) = tokio::time::timeout(PATIENCE, standing).await else {
            return Err(self.line.away().at(&self.settings.servers));
        };
        let Link::Up { times } = *standing else {
            return Err(self.line.away().at(&self.settings.servers));
        };
        let context = jetstream::context::ContextBuilder::new()
            .timeout(LONGEST_REQUEST)
            .ack_timeout(LONGEST_REQUEST)
            .build(client.clone());
        Ok(Connected {
            jetstream: context,
            times,
            link: self.line.link(),
            denied: self.line.denied(),
            said: self.line.said(),
        })
    }

    /// Begins to connect, and does not wait for it.
    async fn connect(&self) -> Result<Client, Away> {
        let mut options = match &self.settings.credentials {
            Some(source) => {
                let (source, disk) = (source.clone(), self.disk.clone());
                ConnectOptions::with_auth_callback(move |nonce| {
                    answer(source.clone(), disk.clone(), nonce)
                })
            }
            None => ConnectOptions::new(),
        };
        if self.settings.servers.are_encrypted() || self.settings.ca_file.is_some() {
            let ca_file = self.settings.ca_file.clone();
            let trusting = move || trust::beside_the_machines(ca_file.as_deref());
            let trusting = tokio::task::spawn_blocking(trusting).await;
            let trusting = trusting.map_err(|error| Away::passing(cause::chain(&error)))?;
            let tls = trusting.map_err(|error| Away::held(cause::chain(&error)))?;
            options = options.require_tls(true).tls_client_config(tls);
        }
        let line = Arc::clone(&self.line);
        let connecting = options
            .name("partner-gateway")
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(delay)
            .connection_timeout(PATIENCE)
            .ping_interval(HEARTBEAT)
            .client_capacity(MOST_WAITING)
            .event_callback(move |event| {
                line.note(&event);
                std::future::ready(())
            })
            .connect(self.settings.servers.addresses());
        connecting
            .await
            .map_err(|error| Away::passing(cause::chain(&error)))
    }
}

impl Connected {
    /// Waits until it stands no more. What was asked over it is never answered.
    pub async fn lost(&self) -> Away {
        let mut link = self.link.clone();
        let up = Link::Up { times: self.times };
        match link.wait_for(|link| *link != up).await.as_deref() {
            Ok(Link::Down(away)) => away.clone(),
            _ => Away::passing("the connection was lost".to_owned()),
        }
    }

    /// Waits until the server says that something may not be done, which it never answers otherwise.
    pub async fn denied(&self) -> String {
        next(self.denied.clone()).await
    }

    /// Waits until the server complains of something else, of whoever's doing.
    pub async fn said(&self) -> String {
        next(self.said.clone()).await
    }
}

/// The next words; what was said before may be mended by now.
async fn next(mut words: watch::Receiver<Option<String>>) -> String {
    words.mark_unchanged();
    if words.changed().await.is_err() {
        return std::future::pending().await;
    }
    words.borrow().clone().unwrap_or_default()
}

/// Doubles from 50 ms up to 8 s, with jitter, so that replicas do not come back at once.
fn delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let whole = FIRST_DELAY
        .saturating_mul(1 << doublings.min(9))
        .min(LONGEST_DELAY);
    whole.mul_f64(0.5 + fastrand::f64() / 2.0)
}

const FIRST_DELAY: Duration = Duration::from_millis(25);
const LONGEST_DELAY: Duration = Duration::from_secs(8);

/// For a connection, its TLS included; a server in the cluster answers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// For one answer of `JetStream`; a new leader is found within a few seconds.
const LONGEST_REQUEST: Duration = Duration::from_secs(5);

/// A server that is gone without a word is noticed after two of these.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How many messages wait for the connection; a sink has at most 256 on the way.
const MOST_WAITING: usize = 1024;
