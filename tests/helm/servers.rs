//! Real servers over the `nats.conf` that the chart renders: the version that its image has.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Output},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use partner_gateway::{
    cluster::{Cluster, Settings, bucket::Bucket},
    delivery::{
        nats::{Nats, checkpoints::Checkpoints},
        sink::Sink as _,
        witness::Exchange as _,
    },
    file::Disk,
    ids::JournalId,
    secret::SecretSource,
};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::{
    nats::{WITH_NATS, conf},
    rendered::{Rendered, chart, tool},
};

#[test]
fn renders_configurations_that_the_server_takes() {
    let clear = [
        "nats.tls.existingSecret=",
        "config.cluster.nats.url=nats://gateway-nats",
    ];
    let one = ["nats.replicas=1", "config.cluster.nats.replicas=1"];
    let some = WITH_NATS.map(|row| (row, &[][..]));
    let others = [
        ("own-nats", &clear[..]),
        ("own-nats", &one[..]),
        ("own-nats", &["nats.syncInterval=2m"][..]),
    ];
    for (row, set) in some.into_iter().chain(others) {
        let site = Site::new();
        let text = site.moved(conf(&Rendered::of(row, set)), 0);

        let output = site.try_out(&text);

        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{row} {set:?}: {told}");
        let output = site.try_out(&text.replace("sync_interval", "sink_interval"));
        assert!(!output.status.success(), "{row} {set:?}");
    }
}

#[tokio::test]
async fn makes_three_servers_one_that_has_what_the_gateway_needs_and_keeps_strangers_out() {
    let site = Site::new();
    let rendered = Rendered::of("own-nats", &[]);
    let servers = site.start(conf(&rendered));

    for server in &servers {
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let container =
                &rendered.of_nats("StatefulSet")["spec"]["template"]["spec"]["containers"][0];
            let path = container[probe]["httpGet"]["path"]
                .as_str()
                .expect("a path");
            server.gets_healthy(path);
        }
    }
    let known = site.cluster(&servers[0], &site.user);
    let sink = Nats::new(Arc::clone(&known));
    let sought = Bucket::passing(
        Arc::clone(&known),
        "PARTNER_GATEWAY_IDEMPOTENCY".to_owned(),
        DAY,
    );
    let checkpoints = Checkpoints::new(known);
    let strange = site.cluster(&servers[1], &nkeys::KeyPair::new_user());

    assert_eq!(sink.establish().await, Ok(()));
    let published = checkpoints.publish(JournalId::random(), Bytes::from_static(b"{}"));
    assert_eq!(published.await, Ok(()));
    assert!(matches!(sought.make().await, Ok(())));
    let refused = Nats::new(strange).establish().await;
    assert_eq!(
        refused.expect_err("a stranger").to_string(),
        "NATS is away: authorization violation; look at cluster.nats.credentials"
    );
}

/// Where servers have their configuration, their certificate and their volumes, and who is known to them.
struct Site {
    dir: TempDir,
    user: nkeys::KeyPair,
    /// For clients, other servers and monitoring, of each.
    ports: [[u16; 3]; 3],
}

impl Site {
    /// What the chart's README says that the Secrets have.
    fn new() -> Self {
        let (dir, user) = (
            tempfile::tempdir().expect("directory"),
            nkeys::KeyPair::new_user(),
        );
        let readme = fs::read_to_string(chart().join("README.md")).expect("README.md");
        let (_, marked) = readme
            .split_once("<!-- nats:accounts -->\n```\n")
            .expect("a mark");
        let (accounts, _) = marked.split_once("```\n").expect("an end");
        let write = |path: &str, content: &str| {
            let file = dir.path().join(path);
            fs::create_dir_all(file.parent().expect("a directory")).expect("directory");
            fs::write(file, content).expect("written");
        };
        write(
            "accounts/accounts.conf",
            &accounts.replace("U…", &user.public_key()),
        );
        let [certificate, key, authority] = certificate();
        write("tls/tls.crt", &certificate);
        write("tls/tls.key", &key);
        write("tls/ca.crt", &authority);
        Self {
            dir,
            user,
            ports: [(); 3].map(|()| [(); 3].map(|()| free_port())),
        }
    }

    fn path(&self, below: &str) -> String {
        self.dir.path().join(below).display().to_string()
    }

    /// What the pods' paths, ports and names are on this machine, for one of the servers.
    fn moved(&self, conf: &str, at: usize) -> String {
        let mut text = conf
            .replace("/etc/nats/", &self.path(""))
            .replace("/var/lib/nats", &self.path(&format!("store-{at}")))
            // The disk of the machine, not that of a volume.
            .replace("max_file_store: 19327352832", "max_file_store: 100000000");
        for (port, own) in ["0.0.0.0:4222", "0.0.0.0:6222", "0.0.0.0:8222"]
            .into_iter()
            .zip(self.ports[at])
        {
            text = text.replace(port, &format!("127.0.0.1:{own}"));
        }
        for (other, ports) in self.ports.iter().enumerate() {
            let route = format!("gateway-nats-{other}.gateway-nats-headless.partner.svc:6222");
            text = text.replace(&route, &format!("127.0.0.1:{}", ports[1]));
        }
        text
    }

    /// Has the server read a configuration, and no more.
    fn try_out(&self, text: &str) -> Output {
        let file = self.path("tried.conf");
        fs::write(&file, text).expect("written");
        let mut command = Command::new(tool("nats-server"));
        command.args(["-t", "--config", &file, "--name", "gateway-nats-0"]);
        command.output().expect("nats-server")
    }

    /// Starts three, with the arguments of the pods.
    fn start(&self, conf: &str) -> [Server; 3] {
        [0, 1, 2].map(|at| {
            let file = self.path(&format!("{at}.conf"));
            fs::write(&file, self.moved(conf, at)).expect("written");
            let name = format!("gateway-nats-{at}");
            let [client, _, monitoring] = self.ports[at];
            let log = self.path(&format!("{at}.log"));
            let child = Command::new(tool("nats-server"))
                .args(["--config", &file, "--name", &name])
                .stderr(fs::File::create(&log).expect("a log"))
                .spawn()
                .expect("nats-server");
            Server {
                child,
                log,
                client,
                monitoring,
            }
        })
    }

    /// A gateway's connection to one of them.
    fn cluster(&self, server: &Server, user: &nkeys::KeyPair) -> Arc<Cluster> {
        let seed = user.seed().expect("a seed");
        let settings = Settings {
            servers: format!("tls://localhost:{}", server.client)
                .parse()
                .expect("servers"),
            credentials: Some(SecretSource::Value(seed.into())),
            ca_file: Some(self.dir.path().join("tls/ca.crt")),
            stream: "PARTNER_GATEWAY_AUDIT".to_owned(),
            replicas: 3,
        };
        Arc::new(Cluster::new(settings, Disk::default()))
    }
}

/// A running server; it is gone when this is dropped.
struct Server {
    child: Child,
    log: String,
    client: u16,
    monitoring: u16,
}

impl Server {
    /// Probes as the kubelet does, until the answer is 200.
    fn gets_healthy(&self, path: &str) {
        let url = format!("http://127.0.0.1:{}{path}", self.monitoring);
        let status = Command::new("curl")
            .args(["--silent", "--fail", "--output", "/dev/null"])
            .args([
                "--retry",
                "60",
                "--retry-delay",
                "1",
                "--retry-all-errors",
                "--retry-max-time",
                "60",
            ])
            .arg(&url)
            .status();
        let said = fs::read_to_string(&self.log).expect("a log");
        assert!(status.expect("curl").success(), "{url}: {said}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A certificate for servers and clients, as the README wants it, its key, and who signed it.
fn certificate() -> [String; 3] {
    let key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(Vec::new()).expect("names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&key).expect("certificate").pem();
    let issuer = Issuer::new(params, key);
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).expect("names");
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = KeyPair::generate().expect("key");
    let signed = params.signed_by(&key, &issuer).expect("certificate");
    [signed.pem(), key.serialize_pem(), authority]
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listener");
    listener.local_addr().expect("address").port()
}

const DAY: Duration = Duration::from_hours(24);
