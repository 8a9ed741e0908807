//! Three real NATS servers that are one `JetStream`.

use std::{fs, net::SocketAddr, process::Command, sync::Arc, time::Duration};

use async_nats::jetstream;
use partner_gateway::{
    cluster::{Cluster, Settings},
    file::Disk,
};
use tempfile::TempDir;

use crate::harness::{
    nats::{STREAM, installed},
    process::{Process, asking_every, free_address, within},
};

/// The servers; they are gone when this is dropped.
pub(crate) struct NatsCluster {
    dir: TempDir,
    addresses: [SocketAddr; 3],
    processes: [Option<Process>; 3],
}

impl NatsCluster {
    pub(crate) async fn start() -> Self {
        let dir = TempDir::new().expect("directory");
        let [addresses, routes] = [(); 2].map(|()| [(); 3].map(|()| free_address()));
        let all = routes.map(|route| format!("\"nats://{route}\"")).join(", ");
        for (at, (address, route)) in addresses.iter().zip(routes).enumerate() {
            let store = dir.path().join(format!("store-{at}"));
            let config = format!(
                "server_name: server-{at}\nlisten: \"{address}\"\n\
                 jetstream {{ store_dir: \"{}\", max_file: 1GB, max_mem: 1MB }}\n\
                 cluster {{ name: three, listen: \"{route}\", routes: [{all}] }}\n",
                store.display()
            );
            fs::write(dir.path().join(format!("{at}.conf")), config).expect("file");
        }
        let mut cluster = Self {
            dir,
            addresses,
            processes: [None, None, None],
        };
        for at in 0..3 {
            cluster.spawn(at);
        }
        for at in 0..3 {
            cluster.is_ready(at).await;
        }
        cluster
    }

    /// Ends one of them in the middle of whatever it does.
    pub(crate) fn kill(&mut self, at: usize) {
        drop(self.processes[at].take());
    }

    pub(crate) async fn restart(&mut self, at: usize) {
        self.spawn(at);
        self.is_ready(at).await;
    }

    /// Which of them leads the stream.
    pub(crate) async fn leader(&self) -> usize {
        let mut leader = None;
        asking_every(OFTEN, LONGEST, async || {
            let info = self.info().await.and_then(|info| info.cluster);
            let name = info.and_then(|cluster| cluster.leader);
            leader = name.and_then(|name| name.strip_prefix("server-")?.parse().ok());
            leader.is_some()
        })
        .await;
        leader.expect("a leader")
    }

    /// Waits until all of them have what the leader has.
    pub(crate) async fn agree(&self) {
        asking_every(OFTEN, LONGEST, async || {
            let info = self.info().await.and_then(|info| info.cluster);
            info.is_some_and(|cluster| {
                let replicas = &cluster.replicas;
                replicas.len() == 2 && replicas.iter().all(|it| it.current && !it.offline)
            })
        })
        .await;
    }

    /// A gateway's connection to them.
    pub(crate) fn cluster(&self) -> Arc<Cluster> {
        let settings = Settings {
            servers: self.url().parse().expect("servers"),
            credentials: None,
            ca_file: None,
            stream: STREAM.to_owned(),
            replicas: 3,
        };
        Arc::new(Cluster::new(settings, Disk::default()))
    }

    pub(crate) async fn operator(&self) -> jetstream::Context {
        let servers = self.addresses.map(|address| format!("nats://{address}"));
        let client = async_nats::ConnectOptions::new()
            .retry_on_initial_connect()
            .connect(&servers[..]);
        jetstream::new(client.await.expect("connection"))
    }

    async fn info(&self) -> Option<jetstream::stream::Info> {
        let operator = self.operator().await;
        let stream = operator.get_stream(STREAM).await.ok()?;
        Some(stream.cached_info().clone())
    }

    fn url(&self) -> String {
        self.addresses
            .map(|address| format!("nats://{address}"))
            .join(",")
    }

    fn spawn(&mut self, at: usize) {
        let config = self.dir.path().join(format!("{at}.conf"));
        let process = Process::spawn(Command::new(installed()).arg("-c").arg(config));
        self.processes[at] = Some(process);
    }

    async fn is_ready(&mut self, at: usize) {
        let process = self.processes[at].as_mut().expect("a server");
        within(async || {
            assert!(!process.has_ended(), "{}", process.stderr());
            process.stderr().contains("Server is ready")
        })
        .await;
    }
}

const OFTEN: Duration = Duration::from_millis(50);

/// For elections, of which each may take some seconds.
const LONGEST: Duration = Duration::from_mins(1);
