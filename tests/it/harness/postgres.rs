//! A real `PostgreSQL` server as a process, with a cluster of its own in a temporary directory.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::{MetadataExt as _, chown},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use partner_gateway::{
    delivery::postgres::{Postgres, Settings},
    file::Disk,
    secret::SecretSource,
};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use super::{
    canary,
    process::{Process, free_address, within},
};

/// A server; it is stopped when this is dropped.
pub(crate) struct Server {
    dir: TempDir,
    address: SocketAddr,
    settings: Vec<&'static str>,
    process: Option<Process>,
}

/// A connection of the test's own, as the superuser.
pub(crate) struct Auditor {
    pub(crate) client: Client,
    _carrying: JoinSet<()>,
}

impl Server {
    /// One with TLS off and the given settings, such as `fsync=off`.
    pub(crate) async fn start(settings: &[&'static str]) -> Self {
        let dir = TempDir::new().expect("directory");
        give(dir.path());
        let password = dir.path().join("password");
        fs::write(&password, PASSWORD).expect("file");
        give(&password);
        canary::plant(PASSWORD);
        let made = as_nobody(&installed().join("initdb"))
            .args(["--no-sync", "--no-locale", "--encoding=UTF8"])
            .args(["--auth=scram-sha-256", "--username=gateway", "--pwfile"])
            .arg(&password)
            .arg(dir.path().join("data"))
            .current_dir(dir.path())
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{made:?}");
        let mut server = Self {
            dir,
            address: free_address(),
            settings: settings.to_vec(),
            process: None,
        };
        server.restart().await;
        server
    }

    /// One that has a certificate, too.
    pub(crate) async fn with_certificate(certificate: &str, key: &str) -> Self {
        let mut server = Self::start(&[]).await;
        server.stop();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = server.dir.path().join("data").join(name);
            fs::write(&path, text).expect("file");
            give(&path);
            Command::new("chmod")
                .arg("600")
                .arg(&path)
                .status()
                .expect("chmod");
        }
        server.settings.push("ssl=on");
        server.restart().await;
        server
    }

    /// Starts it on what its directory holds, and waits until it answers.
    pub(crate) async fn restart(&mut self) {
        within(async || {
            let mut process = self.spawn();
            let mut ended = false;
            within(async || {
                ended = process.has_ended();
                ended || process.stderr().contains("ready to accept connections")
            })
            .await;
            // What is left of a killed one may still hold the shared memory.
            assert!(
                !ended || process.stderr().contains("shared memory"),
                "{}",
                process.stderr()
            );
            self.process = (!ended).then_some(process);
            self.process.is_some()
        })
        .await;
    }

    /// Ends it in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        self.end("KILL");
    }

    /// Ends it in good order, without waiting for its clients.
    pub(crate) fn stop(&mut self) {
        self.end("INT");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connection string of the superuser.
    pub(crate) fn url(&self) -> String {
        url(self.address)
    }

    /// A sink that goes to it.
    pub(crate) fn sink(&self) -> Postgres {
        sink(&self.url())
    }

    pub(crate) async fn auditor(&self) -> Auditor {
        let connected = tokio_postgres::connect(&self.url(), NoTls).await;
        let (client, connection) = connected.expect("connection");
        let mut carrying = JoinSet::new();
        carrying.spawn(async move { drop(connection.await) });
        Auditor {
            client,
            _carrying: carrying,
        }
    }

    fn spawn(&self) -> Process {
        let mut command = as_nobody(&installed().join("postgres"));
        let sockets = format!("unix_socket_directories={}", self.dir.path().display());
        let port = format!("port={}", self.address.port());
        command.arg("-D").arg(self.dir.path().join("data"));
        for setting in [sockets.as_str(), &port, "listen_addresses=127.0.0.1"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        Process::spawn(command.current_dir(self.dir.path()))
    }

    fn end(&mut self, signal: &str) {
        let Some(mut process) = self.process.take() else {
            return;
        };
        process.signal(signal);
        while !process.has_ended() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, it would leave shared memory behind.
        self.end("QUIT");
    }
}

impl Auditor {
    /// The lines of the table in their order, those of all journals.
    pub(crate) async fn lines(&self) -> Vec<String> {
        let rows = self
            .client
            .query("SELECT line FROM audit_records ORDER BY journal, seq", &[])
            .await
            .expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What the view finds wrong.
    pub(crate) async fn breaks(&self) -> Vec<(i64, String)> {
        let query = "SELECT seq, what FROM audit_chain_breaks ORDER BY journal, seq, what";
        let rows = self.client.query(query, &[]).await.expect("rows");
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    pub(crate) async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.expect(sql);
    }
}

/// The connection string of the superuser of whatever listens there.
pub(crate) fn url(address: SocketAddr) -> String {
    format!("postgres://gateway:{PASSWORD}@{address}/postgres?sslmode=disable")
}

/// A sink with a connection string.
pub(crate) fn sink(url: &str) -> Postgres {
    let settings = Settings {
        url: SecretSource::Value(url.into()),
        ca_file: None,
    };
    Postgres::new(settings, Disk::default())
}

/// The server refuses to run as root.
fn as_nobody(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let identity = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
    command.args(identity).arg("--clear-groups").arg(program);
    command
}

fn give(path: &Path) {
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("owner");
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("process").uid() == 0
}

/// Where Debian keeps the server's programs.
fn installed() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs: Vec<_> = versions
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .filter(|bin| bin.join("initdb").exists() && bin.join("postgres").exists())
        .collect();
    programs.sort();
    programs.pop().expect(
        "there is no PostgreSQL server: install it (Debian: apt-get install postgresql), or run scripts/test",
    )
}

/// Known to nobody outside the test.
pub(crate) const PASSWORD: &str = "kept-by-the-table";

/// The user and the group that own nothing.
const NOBODY: u32 = 65534;
