//! Programs that take each other's place, again and again, under load.

use std::{
    cell::Cell, collections::HashSet, io, mem::MaybeUninit, net::SocketAddr, time::Duration,
};

use futures_util::future::join_all;
use socket2::SockRef;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::Instant,
};

use super::{
    site::{Answer, Running, Site, answer, request},
    transfer,
};
use crate::harness::{
    BILLING, CUSTOMER,
    process::{Ended, asking_every, within},
};

#[tokio::test]
async fn answers_every_call_that_was_sent_over_twenty_restarts() {
    let site = Site::new().await;
    let street = Street::open(&site).await;

    let callers = (0..CALLERS).map(|number| street.call_again_and_again(number));
    let (calls, ended) = tokio::join!(join_all(callers), street.restart_again_and_again());

    let calls = calls.concat();
    for ended in &ended {
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let journal = site.journal();
    for (transfer, answer) in &calls {
        let state = site.sandbox.transfer_status(CUSTOMER, transfer);
        let told = (
            answer.status,
            answer.body["code"].as_str(),
            state.as_deref(),
        );
        let definite = [
            (200, None, Some("Reject")),
            (503, Some("draining"), Some("Active")),
        ];
        assert!(definite.contains(&told), "{told:?}");
        assert_eq!(journal.outcome(&answer.audit_id)["status"], answer.status);
    }
    let named: HashSet<_> = calls.iter().map(|(_, answer)| &answer.audit_id).collect();
    assert_eq!(named.len(), calls.len());
    assert_eq!(journal.of_kind("outcome").len(), calls.len());
    let runs = RESTARTS + 1;
    assert_eq!(journal.of_kind("started").len(), runs);
    assert_eq!(journal.of_kind("stopped").len(), runs);
}

/// One address, behind which there is now one gateway and now another, and callers on their way there.
struct Street<'a> {
    site: &'a Site,
    address: SocketAddr,
    served: Cell<usize>,
    over: Cell<bool>,
}

impl<'a> Street<'a> {
    async fn open(site: &'a Site) -> Self {
        // From an address of their own no test takes the port while nobody has it, and no caller meets
        // itself there.
        site.edit("listen: 127.0.0.1:0, drain", "listen: 127.0.0.2:0, drain");
        site.edit("filter: trace", "filter: info");
        let first = site.start().await;
        let address = first.address;
        site.edit("127.0.0.2:0", &address.to_string());
        assert_eq!(stopped(first).await.code, Some(0));
        Self {
            site,
            address,
            served: Cell::new(0),
            over: Cell::new(false),
        }
    }

    async fn restart_again_and_again(&self) -> Vec<Ended> {
        let mut all = Vec::new();
        for _ in 0..RESTARTS {
            let gateway = self.site.listening(self.site.spawn("serve")).await;
            let enough = self.served.get() + CALLS_IN_A_RUN;
            within(async || self.served.get() >= enough).await;
            all.push(stopped(gateway).await);
        }
        self.over.set(true);
        all
    }

    /// Rejects one transfer after the other until the last gateway has left: of two callers one keeps
    /// its connection as long as it can, and one takes a new one for each call.
    async fn call_again_and_again(&self, caller: u32) -> Vec<(String, Answer)> {
        let keeps = caller.is_multiple_of(2);
        let mut calls = Vec::new();
        let mut kept = None;
        for number in 0.. {
            let fresh = |(stream, since): &(_, Instant)| is_open(stream) && since.elapsed() < STALE;
            let stream = match kept.take().filter(fresh) {
                Some((stream, _)) => stream,
                None => match self.connect().await {
                    Some(stream) => BufReader::new(stream),
                    None => break,
                },
            };
            let transfer = transfer(self.site, &format!("{caller:04x}"), number);
            let (stream, answer) = call(stream, &transfer).await;
            if answer.status == 200 {
                self.served.set(self.served.get() + 1);
            }
            if keeps && !answer.is_last {
                kept = Some((stream, Instant::now()));
            }
            calls.push((transfer, answer));
        }
        calls
    }

    /// Tries as long as it is refused and another gateway is to come.
    async fn connect(&self) -> Option<TcpStream> {
        let mut connected = None;
        let interval = Duration::from_millis(10);
        asking_every(interval, Duration::from_secs(20), async || {
            match TcpStream::connect(self.address).await {
                Ok(stream) => connected = Some(stream),
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
            }
            connected.is_some() || self.over.get()
        })
        .await;
        connected
    }
}

async fn call(mut stream: BufReader<TcpStream>, transfer: &str) -> (BufReader<TcpStream>, Answer) {
    let request = request(CUSTOMER, transfer, BILLING, None);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let answer = answer(&mut stream).await.expect("an answer");
    (stream, answer)
}

/// Whether the peer has not closed a connection; the system is asked itself.
fn is_open(stream: &BufReader<TcpStream>) -> bool {
    let peeked = SockRef::from(stream.get_ref()).peek(&mut [MaybeUninit::uninit()]);
    matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

async fn stopped(gateway: Running) -> Ended {
    gateway.process.signal("TERM");
    gateway.process.ended().await
}

/// A connection that was silent for so long is not used again: HTTP/1 has no way to tell whether it is just
/// being closed. The time in which a gateway leaves is longer.
const STALE: Duration = Duration::from_millis(500);

const RESTARTS: usize = 20;
const CALLERS: u32 = 64;

/// How many calls a gateway has served before it is told to leave.
const CALLS_IN_A_RUN: usize = 128;
