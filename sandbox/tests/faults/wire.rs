//! Over TCP: what the bytes are, and how the connection ends.

use std::{io, net::SocketAddr, time::Duration};

use http::Method;
use sandbox::{Fault, History, Listening, Sandbox, Settings, Target, Transfer, Turn};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{path, rejection, token};

#[tokio::test]
async fn closes_in_good_order_or_resets() {
    for (fault, end, effects) in [
        (Fault::DropBefore, Ok(()), 0),
        (Fault::CommitThenSilence, Ok(()), 1),
        (Fault::ResetBefore, Err(io::ErrorKind::ConnectionReset), 0),
        (Fault::ResetAfter, Err(io::ErrorKind::ConnectionReset), 1),
    ] {
        let told = format!("{fault:?}");
        let world = World::new(fault).await;

        let (bytes, end_found) = world.reject().await;

        assert_eq!((bytes.as_str(), end_found), ("", end), "{told}");
        assert_eq!(world.history().effects, effects, "{told}");
    }
}

#[tokio::test]
async fn resets_between_head_and_body() {
    let world = World::new(Fault::ResetInTheMiddle).await;
    let head = world.head();

    let (bytes, end) = world.send(&head).await;

    assert_eq!(
        (bytes.as_str(), end),
        ("", Err(io::ErrorKind::ConnectionReset))
    );
    let history = History {
        request_ids: vec!["first".to_owned()],
        effects: 0,
        reads: 0,
    };
    assert_eq!(world.history(), history);
    let seen = world.sandbox.seen();
    assert_eq!(
        (seen.len(), &seen[0].method, &seen[0].body[..]),
        (1, &Method::PATCH, &b""[..])
    );
    let (bytes, _) = world.reject().await;
    assert!(bytes.starts_with("HTTP/1.1 200 "), "{bytes}");
}

#[tokio::test]
async fn resets_in_the_middle_only_whom_it_is_for() {
    let world = World::new(Fault::Pass).await;
    let turn = Turn::of(Fault::ResetInTheMiddle).on(Method::GET);
    world.sandbox.push_turn(Target::PartnerCenter, turn);

    let (first, _) = world.reject().await;
    let (second, _) = world.reject().await;

    for bytes in [first, second] {
        assert!(bytes.starts_with("HTTP/1.1 200 "), "{bytes}");
    }
}

#[tokio::test]
async fn speaks_something_else_than_http() {
    let world = World::new(Fault::NotHttp).await;

    let (bytes, end) = world.reject().await;

    assert_eq!((bytes.as_str(), end), ("SSH-2.0-OpenSSH_10.0\r\n", Ok(())));
    assert_eq!(world.history().effects, 0);
}

#[tokio::test]
async fn gives_an_answer_two_lengths() {
    let world = World::new(Fault::ConflictingLength).await;

    let (bytes, end) = world.reject().await;

    let (head, body) = bytes.split_once("\r\n\r\n").unwrap();
    let (size, body) = body.split_once("\r\n").unwrap();
    let body = body.strip_suffix("\r\n0\r\n\r\n").unwrap();
    assert_eq!(end, Ok(()));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(field(head, "transfer-encoding"), ["chunked"]);
    assert_eq!(
        field(head, "content-length"),
        [(body.len() / 2).to_string()]
    );
    assert_eq!(field(head, "ms-requestid"), ["first"]);
    assert_eq!(usize::from_str_radix(size, 16), Ok(body.len()));
    assert!(body.contains(r#""status":"Reject""#), "{body}");
    assert_eq!(world.history().effects, 1);
}

#[tokio::test]
async fn says_two_things_before_the_answer() {
    let world = World::new(Fault::Informational).await;

    let (bytes, _) = world.reject().await;

    let heads: Vec<_> = bytes.split("\r\n\r\n").collect();
    assert_eq!(heads[0], "HTTP/1.1 100 Continue");
    assert!(
        heads[1].starts_with("HTTP/1.1 103 Early Hints\r\n"),
        "{bytes}"
    );
    assert!(heads[2].starts_with("HTTP/1.1 200 OK\r\n"), "{bytes}");
    assert!(heads[3].contains(r#""status":"Reject""#), "{bytes}");
    assert_eq!(heads.len(), 4);
    assert_eq!(world.history().effects, 1);
}

#[tokio::test]
async fn switches_to_a_protocol_that_nobody_asked_for() {
    let world = World::new(Fault::SwitchingProtocols).await;

    let (bytes, end) = world.reject().await;

    let head = bytes.strip_suffix("\r\n\r\n").unwrap();
    assert_eq!(end, Ok(()));
    assert!(
        head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"),
        "{head}"
    );
    assert_eq!(field(head, "upgrade"), ["h2c"]);
    assert_eq!(world.history().effects, 0);
}

/// The values of a field in a head.
fn field(head: &str, name: &str) -> Vec<String> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    let fields = fields.filter(|(field, _)| *field == name);
    fields.map(|(_, value)| value.to_owned()).collect()
}

/// A sandbox that listens, with a fault for the next request, and a token.
struct World {
    sandbox: Sandbox,
    listening: Listening,
    token: String,
    transfer: Transfer,
}

impl World {
    async fn new(fault: Fault) -> Self {
        let sandbox = Sandbox::new(Settings::default());
        let token = token(&sandbox).await;
        sandbox.push_fault(Target::PartnerCenter, fault);
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let listening = sandbox.listen(anywhere, anywhere).await.unwrap();
        let transfer = Transfer::documented();
        Self {
            sandbox,
            listening,
            token,
            transfer,
        }
    }

    fn head(&self) -> String {
        let Self {
            token, transfer, ..
        } = self;
        format!(
            "PATCH {} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {token}\r\nMS-RequestId: first\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            path(transfer),
            rejection(transfer).len()
        )
    }

    async fn reject(&self) -> (String, Result<(), io::ErrorKind>) {
        self.send(&(self.head() + &rejection(&self.transfer))).await
    }

    /// Sends some bytes, reads all that comes, and tells how the connection ended.
    async fn send(&self, bytes: &str) -> (String, Result<(), io::ErrorKind>) {
        let to = self.listening.partner_center;
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        let end = tokio::time::timeout(LONGEST, stream.read_to_end(&mut read));
        let end = end.await.unwrap();
        let end = end.map(|_| ()).map_err(|error| error.kind());
        (String::from_utf8(read).unwrap(), end)
    }

    fn history(&self) -> History {
        let Transfer { customer, id, .. } = &self.transfer;
        self.sandbox.transfer_history(customer, id).unwrap()
    }
}

/// Until a connection counts as one that never ends.
const LONGEST: Duration = Duration::from_secs(10);
