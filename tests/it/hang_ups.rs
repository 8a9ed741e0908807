//! Callers who hang up, over sockets: at whatever point they do, what was sent to Partner Center is told of.

use std::time::Duration;

use fastrand::Rng;
use futures_util::future::join_all;
use partner_gateway::config::Config;
use sandbox::{Fault, Target, Transfer, Turn};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::harness::{
    BILLING, CUSTOMER,
    journal::Journal,
    served::{Served, until},
};

#[tokio::test]
async fn loses_no_rejection_of_64_callers_who_hang_up_at_random_points() {
    for seed in 1..=4 {
        let mut random = Rng::with_seed(seed);
        let served = Served::with(hurry).await;
        let callers: Vec<_> = (0..CALLERS)
            .map(|number| Caller::draw(&mut random, number))
            .collect();
        for caller in &callers {
            caller.prepare(&served);
        }

        join_all(
            callers
                .iter()
                .map(|caller| caller.call_and_hang_up(&served)),
        )
        .await;
        let sandbox = served.sandbox.clone();
        let (left, journal) = served.stop().await;

        assert!(left.is_ok(), "{left:?}");
        let sent = callers.iter().map(|caller| {
            let history = sandbox.transfer_history(CUSTOMER, &caller.transfer);
            history.expect("the transfer").request_ids
        });
        let sent: Vec<_> = sent.filter(|sent| !sent.is_empty()).collect();
        for sent in &sent {
            are_told(&journal, sent);
        }
        assert_eq!(journal.of_kind("intent").len(), sent.len(), "seed {seed}");
        let got_there = CALLERS / 2..CALLERS;
        assert!(got_there.contains(&sent.len()), "{} got there", sent.len());
        assert!(sent.iter().any(|sent| sent.len() > 1), "none was repeated");
    }
}

/// One caller, with a transfer of its own.
struct Caller {
    transfer: String,
    fault: Fault,
    point: Point,
    resets: bool,
}

/// When a caller hangs up.
#[derive(Clone, Copy)]
enum Point {
    /// After so many bytes of its request, less than all.
    Within(usize),
    /// As soon as its request is written.
    Written,
    /// Once Partner Center has got the request.
    Sent,
    /// After the first byte of the answer.
    Answering,
}

impl Caller {
    fn draw(random: &mut Rng, number: usize) -> Self {
        let transfer = format!("{number:08x}-4a46-4000-8000-000000004a46");
        let fault = match random.u8(..6) {
            0 => Fault::Pass,
            1 => Fault::Delay {
                ms: random.u64(..100),
            },
            2 => Fault::Hang,
            3 => Fault::CommitThenHang,
            4 => Fault::CommitThenSilence,
            _ => Fault::ResetBefore,
        };
        let point = match random.u8(..8) {
            0 => Point::Within(random.usize(..request(&transfer).len())),
            1 => Point::Written,
            2..=5 => Point::Sent,
            _ => Point::Answering,
        };
        Self {
            transfer,
            fault,
            point,
            resets: random.bool(),
        }
    }

    fn prepare(&self, served: &Served) {
        served.sandbox.add_transfer(Transfer {
            id: self.transfer.clone(),
            ..Transfer::documented()
        });
        let turn = Turn::of(self.fault.clone()).of_transfer(&self.transfer);
        served.sandbox.push_turn(Target::PartnerCenter, turn);
    }

    async fn call_and_hang_up(&self, served: &Served) {
        let mut connection = TcpStream::connect(served.address)
            .await
            .expect("connection");
        let request = request(&self.transfer);
        let written = match self.point {
            Point::Within(bytes) => &request[..bytes],
            Point::Written | Point::Sent | Point::Answering => &request,
        };
        connection.write_all(written).await.expect("written");
        match self.point {
            Point::Within(_) | Point::Written => {}
            Point::Sent => until(|| self.is_sent(served)).await,
            Point::Answering => drop(connection.read_u8().await.expect("an answer")),
        }
        if self.resets {
            connection.set_zero_linger().expect("a socket");
        }
    }

    fn is_sent(&self, served: &Served) -> bool {
        let history = served.sandbox.transfer_history(CUSTOMER, &self.transfer);
        history.is_some_and(|history| !history.request_ids.is_empty())
    }
}

fn request(transfer: &str) -> Vec<u8> {
    let body = r#"{"reason":"no longer wanted"}"#;
    format!(
        "POST /transfers/{CUSTOMER}/{transfer}/reject HTTP/1.1\r\nHost: gateway\r\n\
         Authorization: Bearer {BILLING}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

/// Checks that each rejection is told of by one intent and one outcome, of the same call.
fn are_told(journal: &Journal, sent: &[String]) {
    let (intents, outcomes) = (journal.of_kind("intent"), journal.of_kind("outcome"));
    for id in sent {
        let told: Vec<_> = intents.iter().filter(|it| names(it, id)).collect();
        let [intent] = told[..] else {
            panic!("{} intents name {id}", told.len())
        };
        let told: Vec<_> = outcomes.iter().filter(|it| attempts(it, id) > 0).collect();
        let [outcome] = told[..] else {
            panic!("{} outcomes tell of {id}", told.len())
        };
        assert_eq!(outcome["call"], intent["call"]);
        let times = sent.iter().filter(|other| *other == id).count();
        assert_eq!(attempts(outcome, id), times, "{outcome}");
    }
}

fn names(intent: &Value, id: &str) -> bool {
    let ids = intent["request_ids"].as_array();
    ids.is_some_and(|ids| ids.iter().any(|named| named == id))
}

/// How many attempts with this ID an outcome tells of.
fn attempts(outcome: &Value, id: &str) -> usize {
    let attempts = outcome["attempts"].as_array().into_iter().flatten();
    attempts
        .filter(|attempt| attempt["request_id"] == id)
        .count()
}

/// Has calls end soon and none be held back because of others.
fn hurry(config: &mut Config) {
    config.deadline = Duration::from_secs(2);
    config.retry_budget = 1.0;
    config.upstream.attempt_timeout = Duration::from_millis(200);
    config.upstream.circuit.min_calls = 10_000;
}

const CALLERS: usize = 64;
