//! A gateway as a process over a disk that does as it is told, with the sandbox behind it.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use sandbox::{Listening, Sandbox, Seen, Transfer};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::Instant,
};

use crate::{
    BILLING, CUSTOMER,
    journal::{Journal, segments, sha256},
    process::{Ended, Process, within},
    shim::Shim,
};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_partner-gateway");

/// Files and upstream services of a gateway that is started again and again.
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    pub(crate) shim: Shim,
    pub(crate) audit: PathBuf,
    dir: TempDir,
    is_strict: bool,
    /// Whether something was done to the journal that the shim knows nothing of.
    went_unseen: AtomicBool,
    _listening: Listening,
}

/// A gateway that listens.
pub(crate) struct Gateway {
    pub(crate) process: Process,
    address: SocketAddr,
    admin: SocketAddr,
    /// From its start until it was ready.
    pub(crate) took: Duration,
}

/// An answer to a call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) transfer: String,
    pub(crate) status: u16,
    pub(crate) audit_id: String,
    pub(crate) body: Value,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with("").await
    }

    /// The same with more settings of the journal, such as `, segment_bytes: 1MiB`.
    pub(crate) async fn with(audit: &str) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let inside = dir.path().join("disk/audit");
        fs::create_dir_all(&inside).expect("directory");
        Self::over(dir, inside, audit).await
    }

    /// The same with a sink that can be asked.
    pub(crate) async fn with_nats(server: SocketAddr) -> Self {
        // What comes behind the sinks ends their mapping and begins another one.
        let settings = format!(
            ", checkpoint_interval: 1h, sinks: [{{name: central, kind: nats}}]}}\n\
             cluster: {{nats: {{url: \"nats://{server}\", replicas: 1}}"
        );
        Self::with(&settings).await
    }

    /// The same with a journal anywhere.
    pub(crate) async fn over(dir: TempDir, audit: PathBuf, settings: &str) -> Self {
        let sandbox = Sandbox::new(sandbox::Settings::default());
        let any: SocketAddr = "127.0.0.1:0".parse().expect("address");
        let listening = sandbox.listen(any, any).await.expect("sandbox");
        let client = sandbox::Settings::default();
        private(&dir.path().join("client-secret"), &client.client_secret);
        let callers = format!("billing:{}\n", sha256(BILLING));
        private(&dir.path().join("tokens"), &callers);
        let told = configuration(&client, &listening, dir.path(), &audit, settings);
        private(&dir.path().join("gateway.yaml"), &told);
        Self {
            sandbox,
            shim: Shim::over(&audit, &dir.path().join("disk/shim")),
            audit,
            dir,
            is_strict: !settings.contains("durability: relaxed"),
            went_unseen: AtomicBool::new(false),
            _listening: listening,
        }
    }

    /// Starts the gateway and waits until it is ready.
    pub(crate) async fn start(&self) -> Gateway {
        let began = Instant::now();
        let process = self.spawn();
        let mut gateway = match self.listening(process).await {
            Ok(gateway) => gateway,
            Err(ended) => panic!("it does not start: {ended:?}"),
        };
        within(async || gateway.is_ready().await).await;
        gateway.took = began.elapsed();
        gateway
    }

    /// The same without the shim, whose log cannot grow either where files may not.
    pub(crate) async fn start_bare(&self) -> Gateway {
        self.goes_unseen();
        let process = Process::spawn(self.on_config(&mut Command::new(PROGRAM)));
        let gateway = self.listening(process).await.expect("a gateway");
        within(async || gateway.is_ready().await).await;
        gateway
    }

    /// Starts the gateway and waits until it listens, unless it ends before.
    pub(crate) async fn try_start(&self) -> Option<Gateway> {
        self.listening(self.spawn()).await.ok()
    }

    /// Starts the gateway without waiting for anything.
    pub(crate) fn spawn(&self) -> Process {
        self.serve(Command::new(PROGRAM))
    }

    /// Starts the gateway with mounts of its own, as these words of a shell make them, where the kernel lets
    /// anybody have mounts of their own.
    pub(crate) async fn start_mounting(&self, mounts: &str) -> Option<Gateway> {
        let mut shell = Command::new("unshare");
        shell.args(["--map-root-user", "--mount", "sh", "-c"]);
        shell
            .arg(format!("set -e; {mounts}; exec \"$@\""))
            .args(["sh", PROGRAM]);
        let gateway = self.listening(self.serve(shell)).await.ok()?;
        within(async || gateway.is_ready().await).await;
        Some(gateway)
    }

    fn serve(&self, mut program: Command) -> Process {
        self.shim.load_into(self.on_config(&mut program));
        Process::spawn(&mut program)
    }

    fn on_config<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        let config = self.dir.path().join("gateway.yaml");
        program
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        program.arg("serve").arg("--config").arg(config)
    }

    async fn listening(&self, mut process: Process) -> Result<Gateway, Ended> {
        let mut told = (None, None);
        let mut has_ended = false;
        within(async || {
            let log = process.stderr();
            told = (
                address(&log, "serving callers"),
                address(&log, "serving operators"),
            );
            has_ended = process.has_ended();
            has_ended || told.0.is_some() && told.1.is_some()
        })
        .await;
        let (Some(address), Some(admin)) = told else {
            return Err(process.ended().await);
        };
        Ok(Gateway {
            process,
            address,
            admin,
            took: Duration::ZERO,
        })
    }

    /// The records that count, checked from end to end: of each segment those below the name of the next one,
    /// and no line that was cut short.
    pub(crate) fn journal(&self) -> Journal {
        let copy = tempfile::tempdir().expect("temporary directory");
        let segments = segments(&self.audit);
        let first = |segment: &PathBuf| -> Option<usize> {
            let name = segment.file_stem()?.to_str()?;
            name.strip_prefix("journal-")?.parse().ok()
        };
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1).and_then(first);
            let count = next.map_or(usize::MAX, |next| next - first(segment).expect("name"));
            let text = fs::read(segment).expect("segment");
            let lines = text.split_inclusive(|byte| *byte == b'\n');
            let whole = lines.filter(|line| line.ends_with(b"\n")).take(count);
            let name = segment.file_name().expect("name");
            fs::write(copy.path().join(name), whole.collect::<Vec<_>>().concat()).expect("copy");
        }
        let journal = Journal::of(copy.path());
        journal.read_on();
        journal
    }

    /// What `audit verify` says of the journal.
    pub(crate) async fn verified(&self) -> Ended {
        let mut program = Command::new(PROGRAM);
        program
            .env_clear()
            .args(["audit", "verify", "--json", "--dir"]);
        Process::spawn(program.arg(&self.audit)).ended().await
    }

    /// Takes note that something is done to the journal that the shim does not see.
    pub(crate) fn goes_unseen(&self) {
        self.went_unseen.store(true, Ordering::Relaxed);
    }

    /// Whether nothing may happen before it is on the disk that it will, and the shim can tell.
    pub(crate) fn tells_the_order(&self) -> bool {
        self.is_strict && !self.went_unseen.load(Ordering::Relaxed)
    }

    /// Adds a transfer to the sandbox, and returns its ID.
    pub(crate) fn transfer(&self, group: usize, number: usize) -> String {
        let id = format!("{group:08x}-0000-4000-8000-{number:012x}");
        self.sandbox.add_transfer(Transfer {
            id: id.clone(),
            ..Transfer::documented()
        });
        id
    }

    /// The requests that would reject a transfer.
    pub(crate) fn patches(&self) -> Vec<Seen> {
        let mut seen = self.sandbox.seen();
        seen.retain(|request| request.method == "PATCH");
        seen
    }
}

impl Gateway {
    /// Makes the call of `billing` that rejects a transfer, on a connection of its own.
    pub(crate) async fn reject(&self, transfer: &str) -> io::Result<Answer> {
        let request = format!(
            "POST /transfers/{CUSTOMER}/{transfer}/reject HTTP/1.1\r\nHost: gateway\r\n\
             Authorization: Bearer {BILLING}\r\nContent-Length: 0\r\n\r\n"
        );
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        stream.write_all(request.as_bytes()).await?;
        let (status, head, body) = answer(&mut stream).await?;
        let audit_id = head
            .lines()
            .find_map(|line| line.strip_prefix("gateway-audit-id: "));
        Ok(Answer {
            transfer: transfer.to_owned(),
            status,
            audit_id: audit_id.expect("audit ID").to_owned(),
            body,
        })
    }

    /// Whether it says that traffic may come.
    pub(crate) async fn is_ready(&self) -> bool {
        let Ok(stream) = TcpStream::connect(self.admin).await else {
            return false;
        };
        let mut stream = BufReader::new(stream);
        let request = "GET /readyz HTTP/1.1\r\nHost: admin\r\n\r\n";
        stream.write_all(request.as_bytes()).await.expect("sent");
        matches!(answer(&mut stream).await, Ok((200, ..)))
    }

    /// Kills it as nobody can prevent, and waits until it is gone.
    pub(crate) async fn kill(self) {
        self.process.signal("KILL");
        self.process.ended().await;
    }

    /// Has it leave in good order.
    pub(crate) async fn stop(self) -> Ended {
        self.process.signal("TERM");
        self.process.ended().await
    }

    /// How many threads it has.
    pub(crate) fn threads(&self) -> usize {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        threads.expect("threads").count()
    }
}

/// Reads an answer off a connection.
async fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<(u16, String, Value)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_lowercase();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length.and_then(|length| length.parse().ok());
    let mut body = vec![0; length.expect("length")];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Ok((status.expect("status"), head, body))
}

/// Writes a file that only its owner reads.
fn private(path: &Path, text: &str) {
    let file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let written = file.expect("file").write_all(text.as_bytes());
    written.expect("written");
}

/// The address in the line of the log that has this message.
fn address(log: &str, message: &str) -> Option<SocketAddr> {
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["message"] == message)
        .and_then(|line| line["address"].as_str()?.parse().ok())
}

fn configuration(
    client: &sandbox::Settings,
    upstream: &Listening,
    dir: &Path,
    audit: &Path,
    settings: &str,
) -> String {
    let (dir, audit) = (dir.display(), audit.display());
    format!(
        "server: {{listen: 127.0.0.1:0, drain_timeout: 2s}}
admin: {{listen: 127.0.0.1:0}}
accounts:
  contoso:
    tenant_id: {}
    client_id: {}
    credential: {{client_secret: {{file: {dir}/client-secret}}}}
    endpoints: {{authority: http://{}, api: http://{}}}
callers: {{token_file: {dir}/tokens}}
policy:
  - name: billing may reject
    principals: [billing]
    operations: [transfers.reject]
    customers: [{CUSTOMER}]
    accounts: [contoso]
audit: {{dir: {audit}{settings}}}
telemetry: {{log: {{format: json, filter: info}}}}
",
        client.tenant, client.client_id, upstream.entra, upstream.partner_center
    )
}
