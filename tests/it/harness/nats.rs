//! A real NATS server as a process, with `JetStream` in a temporary directory.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command, sync::Arc, time::Duration};

use async_nats::jetstream::{self, stream::Config};
use partner_gateway::{
    cluster::{Cluster, Settings},
    delivery::nats::Nats,
    file::Disk,
    secret::SecretSource,
};
use tempfile::TempDir;

use super::process::{Process, free_address, within};

/// A server; it is gone when this is dropped.
pub(crate) struct NatsServer {
    dir: TempDir,
    address: SocketAddr,
    process: Option<Process>,
}

impl NatsServer {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// One with more in its configuration.
    pub(crate) async fn with(more: &str) -> Self {
        let mut server = Self {
            dir: TempDir::new().expect("directory"),
            address: free_address(),
            process: None,
        };
        server.configure(more);
        server.restart().await;
        server
    }

    /// Writes another configuration, which counts from the next start or reload on.
    pub(crate) fn configure(&self, more: &str) {
        let config = format!(
            "listen: \"{}\"\njetstream {{ store_dir: \"{}\", max_file: 1GB, max_mem: 1MB }}\n{more}\n",
            self.address,
            self.store().display(),
        );
        fs::write(self.dir.path().join("nats.conf"), config).expect("file");
    }

    /// Has it read its configuration anew.
    pub(crate) async fn reload(&self) {
        let process = self.process.as_ref().expect("a server");
        process.signal("HUP");
        within(async || process.stderr().contains("Reloaded server configuration")).await;
    }

    /// Starts it on what its directory holds.
    pub(crate) async fn restart(&mut self) {
        let config = self.dir.path().join("nats.conf");
        let mut process = Process::spawn(Command::new(installed()).arg("-c").arg(config));
        within(async || {
            assert!(!process.has_ended(), "{}", process.stderr());
            process.stderr().contains("Server is ready")
        })
        .await;
        self.process = Some(process);
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        drop(self.process.take());
    }

    /// Takes everything from its disk while it is down.
    pub(crate) fn empty(&self) {
        fs::remove_dir_all(self.store()).expect("a store");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A sink that goes to it.
    pub(crate) fn sink(&self) -> Nats {
        sink(&format!("nats://{}", self.address), None)
    }

    /// A gateway's own connection to it.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        cluster(&format!("nats://{}", self.address), None)
    }

    /// What an operator asks `JetStream` through.
    pub(crate) async fn operator(&self) -> jetstream::Context {
        let client = async_nats::connect(self.address.to_string()).await;
        jetstream::new(client.expect("connection"))
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }
}

/// A sink with an address and credentials.
pub(crate) fn sink(url: &str, credentials: Option<SecretSource>) -> Nats {
    Nats::new(cluster(url, credentials))
}

/// A connection to an address.
pub(crate) fn cluster(url: &str, credentials: Option<SecretSource>) -> Arc<Cluster> {
    let settings = Settings {
        credentials,
        ..settings(url)
    };
    Arc::new(Cluster::new(settings, Disk::default()))
}

/// What a gateway is told of a server.
pub(crate) fn settings(url: &str) -> Settings {
    Settings {
        servers: url.parse().expect("servers"),
        credentials: None,
        ca_file: None,
        stream: STREAM.to_owned(),
        replicas: 1,
    }
}

/// What the audit stream holds, message by message in its order; nothing where there is no stream.
pub(crate) async fn content(operator: &jetstream::Context) -> Vec<String> {
    content_of(operator, STREAM).await
}

/// What a stream holds.
pub(crate) async fn content_of(operator: &jetstream::Context, stream: &str) -> Vec<String> {
    let Ok(mut stream) = operator.get_stream(stream).await else {
        return Vec::new();
    };
    let state = stream.info().await.expect("state").state.clone();
    let mut texts = Vec::new();
    for number in state.first_sequence.max(1)..=state.last_sequence {
        let message = stream.get_raw_message(number).await.expect("a message");
        texts.push(String::from_utf8(message.payload.to_vec()).expect("text"));
    }
    texts
}

/// A stream of the right shape, changed.
pub(crate) fn shaped(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config {
        name: STREAM.to_owned(),
        subjects: vec!["partner_gateway.audit.>".to_owned()],
        discard: jetstream::stream::DiscardPolicy::New,
        duplicate_window: Duration::from_mins(2),
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    };
    change(&mut config);
    config
}

/// Where Debian and others keep the server.
pub(crate) fn installed() -> &'static str {
    let runs = |program: &&str| {
        let version = Command::new(program).arg("--version").output();
        version.is_ok_and(|version| version.status.success())
    };
    ["nats-server", "/usr/sbin/nats-server"].into_iter().find(runs).expect(
        "there is no NATS server: install it (Debian: apt-get install nats-server), or run scripts/test",
    )
}

pub(crate) const STREAM: &str = "PARTNER_GATEWAY_AUDIT";
