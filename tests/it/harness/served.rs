//! A gateway behind real sockets, in real time, over the sandbox in memory.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use partner_gateway::{
    app::{Gateway, Surroundings, reload::Replaceable},
    clock::SystemClock,
    config::Config,
    http_client::HttpClient,
    shutdown::{Cut, Drain},
};
use sandbox::Sandbox;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
};

use super::{
    BILLING, CUSTOMER, TRANSFER, canary, config, journal::Journal, tempdir, transport::ToSandbox,
};

/// A gateway that listens.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) sandbox: Sandbox,
    pub(crate) dir: TempDir,
    pub(crate) replaceable: Replaceable,
    drain: Drain,
    serving: JoinSet<Result<(), Cut>>,
    _listening: canary::Listening,
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let listening = canary::Listening::begin();
        let dir = tempdir();
        let sandbox = Sandbox::new(sandbox::Settings::default());
        let network = ToSandbox::new(sandbox.clone());
        let mut config = config(&dir);
        change(&mut config);
        let surroundings = Surroundings {
            clock: Arc::new(SystemClock),
            connect: Arc::new(move |_| Ok(HttpClient::over(network.clone()))),
        };
        let gateway = Gateway::build(config, surroundings).await.expect("gateway");
        let bound = gateway.bind().await.expect("sockets");
        let address = bound.address().expect("address");
        let admin = bound.admin_address().expect("address");
        let drain = bound.drain();
        let replaceable = bound.replaceable();
        let mut serving = JoinSet::new();
        serving.spawn(bound.serve());
        Self {
            address,
            admin,
            sandbox,
            dir,
            replaceable,
            drain,
            serving,
            _listening: listening,
        }
    }

    /// The journal with everything written so far.
    pub(crate) fn journal(&self) -> Journal {
        let journal = Journal::of(self.dir.path());
        journal.read_on();
        journal
    }

    /// Tells the gateway to leave.
    pub(crate) fn leave(&self) {
        self.drain.begin();
    }

    /// Tells the gateway to leave and waits until it has.
    pub(crate) async fn stop(mut self) -> (Result<(), Cut>, Journal) {
        self.drain.begin();
        let served = self
            .serving
            .join_next()
            .await
            .expect("a task")
            .expect("no panic");
        let journal = Journal::of(self.dir.path());
        journal.read_on();
        (served, journal)
    }
}

/// The head and body of the documented call, as text.
pub(crate) fn documented_call() -> String {
    format!(
        "POST /transfers/{CUSTOMER}/{TRANSFER}/reject HTTP/1.1\r\nHost: gateway\r\n\
         Authorization: Bearer {BILLING}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Sends bytes on a connection of their own and returns all that comes back until it is closed.
pub(crate) async fn converse(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connection");
    stream.write_all(bytes).await.expect("sent");
    read_to_end(&mut stream).await
}

/// Reads until the peer closes; a reset counts as closed.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    drop(read.expect("the gateway closes the connection"));
    String::from_utf8_lossy(&answer).into_owned()
}

/// Reads one answer with a `Content-Length` off a connection that stays open.
pub(crate) async fn read_answer(stream: &mut TcpStream) -> (u16, String, Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer's head"));
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .expect("status");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let length = length
        .and_then(|length| length.parse().ok())
        .expect("length");
    let mut body = vec![0; length];
    stream
        .read_exact(&mut body)
        .await
        .expect("an answer's body");
    canary::assert_untold("an answer", &[head.as_bytes(), &body].concat());
    (
        status,
        head,
        serde_json::from_slice(&body).unwrap_or(Value::Null),
    )
}

/// Begins to speak HTTP/2 on a connection that a task among these serves.
pub(crate) async fn connect_http_2(
    address: SocketAddr,
    connections: &mut JoinSet<hyper::Result<()>>,
) -> SendRequest<Empty<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connection");
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .expect("handshake");
    connections.spawn(connection);
    sender
}

/// Asks the operator listener.
pub(crate) async fn ask(admin: SocketAddr, target: &str) -> (u16, Value) {
    ask_saying(admin, target, "").await
}

/// The same with a token.
pub(crate) async fn ask_as(admin: SocketAddr, target: &str, token: &str) -> (u16, Value) {
    ask_saying(admin, target, &format!("Authorization: Bearer {token}\r\n")).await
}

async fn ask_saying(admin: SocketAddr, target: &str, headers: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(admin).await.expect("connection");
    let request = format!("GET {target} HTTP/1.1\r\nHost: admin\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let (status, _, body) = read_answer(&mut stream).await;
    (status, body)
}

/// Lets everything else run until something holds.
#[expect(
    clippy::disallowed_methods,
    reason = "time that is paused for what is tried goes on for its test"
)]
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !holds() {
        assert!(began.elapsed() < LONGEST_WAIT, "in time");
        tokio::task::yield_now().await;
    }
}

/// Far more than a busy machine needs.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
