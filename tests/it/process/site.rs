//! A gateway as a process, between callers over TCP and the sandbox over TCP.

use std::{
    fs,
    io::{self, Write as _},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use sandbox::{Listening, Sandbox};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::harness::{
    BILLING, CUSTOMER, callers,
    journal::{Journal, segments},
    process::{Process, within},
    served::ask,
    tempdir,
};

/// The program under test.
pub(super) const PROGRAM: &str = env!("CARGO_BIN_EXE_partner-gateway");

/// Files and upstream services of a gateway that can be started, more than once.
pub(super) struct Site {
    pub(super) sandbox: Sandbox,
    dir: TempDir,
    listening: Listening,
}

/// A gateway that listens.
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) address: SocketAddr,
    pub(super) admin: SocketAddr,
}

/// An answer to a call.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) audit_id: String,
    /// Whether the connection ends with it.
    pub(super) is_last: bool,
    pub(super) body: Value,
}

impl Site {
    pub(super) async fn new() -> Self {
        Self::over(sandbox::Settings::default()).await
    }

    /// The same over a sandbox of its own kind.
    pub(super) async fn over(settings: sandbox::Settings) -> Self {
        let sandbox = Sandbox::new(settings.clone());
        let any: SocketAddr = "127.0.0.1:0".parse().expect("address");
        let listening = sandbox.listen(any, any).await.expect("sandbox");
        let dir = tempdir();
        let file = |name| dir.path().join(name);
        private(&file("client-secret"), &settings.client_secret);
        private(&file("tokens"), &callers());
        private(
            &file(CONFIG),
            &configuration(&settings, &listening, dir.path()),
        );
        Self {
            sandbox,
            dir,
            listening,
        }
    }

    /// A file or directory of the site.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The endpoints of an account that is held upstream.
    pub(super) fn upstream(&self) -> String {
        endpoints(&self.listening)
    }

    /// Where the pretend Entra ID and Partner Center listen.
    pub(super) fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.listening.entra, self.listening.partner_center)
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path(CONFIG)
    }

    /// Replaces a piece of the configuration.
    pub(super) fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).expect("configuration");
        assert!(text.contains(from), "{from} is not in {text}");
        private(&self.config(), &text.replacen(from, to, 1));
    }

    /// The journal as it is on the disk, checked from end to end.
    pub(super) fn journal(&self) -> Journal {
        let journal = Journal::of(&self.path("audit"));
        journal.read_on();
        journal
    }

    /// All lines of the journal.
    pub(super) fn journal_text(&self) -> String {
        let segments = segments(&self.path("audit"));
        let texts = segments.iter().map(fs::read_to_string);
        texts.map(|text| text.expect("segment")).collect()
    }

    /// Runs a command of the program over the site's configuration.
    pub(super) fn spawn(&self, subcommand: &str) -> Process {
        Process::spawn(self.on_config(Command::new(PROGRAM).arg(subcommand)))
    }

    /// The same beside another process, with a journal of its own.
    pub(super) fn spawn_beside(&self, subcommand: &str) -> Process {
        let text = fs::read_to_string(self.config()).expect("configuration");
        let own = text.replacen("/audit}", "/audit-beside}", 1);
        assert_ne!(own, text);
        private(&self.path("beside.yaml"), &own);
        let mut program = Command::new(PROGRAM);
        let config = self.path("beside.yaml");
        let program = program.env_clear().arg(subcommand);
        Process::spawn(program.arg("--config").arg(config))
    }

    /// The same with arguments of the command's own.
    pub(super) fn spawn_with(&self, subcommand: &str, arguments: &[&str]) -> Process {
        let mut program = Command::new(PROGRAM);
        Process::spawn(self.on_config(program.arg(subcommand)).args(arguments))
    }

    /// Starts the gateway and waits until it listens and has a token.
    pub(super) async fn start(&self) -> Running {
        self.listening(self.spawn("serve")).await.ready().await
    }

    /// Waits until a process has told where it listens.
    pub(super) async fn listening(&self, mut process: Process) -> Running {
        let mut told = (None, None);
        within(async || {
            assert!(!process.has_ended(), "{}", process.stderr());
            let log = process.stderr();
            told = (
                address(&log, "serving callers"),
                address(&log, "serving operators"),
            );
            told.0.is_some() && told.1.is_some()
        })
        .await;
        Running {
            process,
            address: told.0.expect("address"),
            admin: told.1.expect("address"),
        }
    }

    /// A process sees nothing of the test's environment.
    fn on_config<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env_clear().arg("--config").arg(self.config())
    }
}

impl Running {
    /// Waits until traffic may come.
    pub(super) async fn ready(self) -> Self {
        within(async || ask(self.admin, "/readyz").await.0 == 200).await;
        self
    }

    /// Makes the call of `billing` that rejects a transfer of the documented customer.
    pub(super) async fn reject(&self, transfer: &str) -> Answer {
        self.call(transfer, BILLING).await.expect("an answer")
    }

    /// Makes a call with a token, on a connection of its own.
    pub(super) async fn call(&self, transfer: &str, token: &str) -> io::Result<Answer> {
        self.call_for(CUSTOMER, transfer, token, None).await
    }

    /// Makes the call of `billing` under an idempotency key.
    pub(super) async fn reject_under(&self, key: &str, transfer: &str) -> io::Result<Answer> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        let request = request(CUSTOMER, transfer, BILLING, None);
        let more = format!("\r\nIdempotency-Key: {key}\r\n\r\n");
        let request = request.replacen("\r\n\r\n", &more, 1);
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream).await
    }

    /// The same for any customer, and through the account that the caller names.
    pub(super) async fn call_for(
        &self,
        customer: &str,
        transfer: &str,
        token: &str,
        account: Option<&str>,
    ) -> io::Result<Answer> {
        let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
        let request = request(customer, transfer, token, account);
        stream.write_all(request.as_bytes()).await?;
        answer(&mut stream).await
    }
}

/// The bytes of a call.
pub(super) fn request(
    customer: &str,
    transfer: &str,
    token: &str,
    account: Option<&str>,
) -> String {
    let account = account.map(|name| format!("Partner-Account: {name}\r\n"));
    let account = account.unwrap_or_default();
    format!(
        "POST /transfers/{customer}/{transfer}/reject HTTP/1.1\r\nHost: gateway\r\n{account}\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Writes a file that only its owner reads.
pub(super) fn private(path: &Path, text: &str) {
    let file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
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

/// Reads an answer off a connection that stays open.
pub(super) async fn answer(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_lowercase();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let length = field("content-length: ").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.expect("length")];
    stream.read_exact(&mut body).await?;
    Ok(Answer {
        status: status.expect("status"),
        audit_id: field("gateway-audit-id: ").expect("audit ID").to_owned(),
        is_last: field("connection: ") == Some("close"),
        body: serde_json::from_slice(&body).expect("JSON"),
    })
}

/// A line for each thing that a test may replace.
fn configuration(settings: &sandbox::Settings, upstream: &Listening, dir: &Path) -> String {
    let sandbox::Settings {
        tenant, client_id, ..
    } = settings;
    let endpoints = endpoints(upstream);
    let dir = dir.display();
    format!(
        "server: {{listen: 127.0.0.1:0, drain_timeout: 15s}}
admin: {{listen: 127.0.0.1:0}}
accounts:
  contoso:
    tenant_id: {tenant}
    client_id: {client_id}
    credential: {{client_secret: {{file: {dir}/client-secret}}}}
    endpoints: {endpoints}
callers: {{token_file: {dir}/tokens}}
policy:
  - name: billing may reject
    principals: [billing]
    operations: [transfers.reject]
    customers: [{CUSTOMER}]
    accounts: [contoso]
audit: {{dir: {dir}/audit}}
telemetry: {{log: {{format: json, filter: trace}}}}
"
    )
}

fn endpoints(upstream: &Listening) -> String {
    let Listening {
        entra,
        partner_center,
        ..
    } = upstream;
    format!("{{authority: http://{entra}, api: http://{partner_center}}}")
}

/// The name of the configuration file.
const CONFIG: &str = "gateway.yaml";
