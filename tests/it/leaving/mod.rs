//! Leaving in good order: what becomes of calls, and of connections in every state.

mod listening;

use std::{
    io::{self, Read as _, Write as _},
    net::{self, SocketAddr},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use partner_gateway::shutdown::Cut;
use sandbox::{Fault, Target};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::harness::{
    BILLING, CUSTOMER, Standstill, TRANSFER, World,
    journal::Journal,
    log::Log,
    mutual::Mutual,
    served::{
        Served, ask, connect_http_2, converse, documented_call, read_answer, read_to_end, until,
    },
};

#[tokio::test]
async fn lets_calls_under_way_end_before_it_leaves() -> io::Result<()> {
    let served = Served::new().await;
    let mut stream = under_way(&served, Fault::Delay { ms: 300 }).await;
    let address = served.address;

    let ((status, head, _), (left, journal)) =
        tokio::join!(read_answer(&mut stream), served.stop());

    assert_eq!(status, 200);
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    assert_eq!(left, Ok(()));
    assert_eq!(journal.last_kinds(), ["stopped", "checkpoint"]);
    let refused = TcpStream::connect(address).await.expect_err("listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    Ok(())
}

#[tokio::test]
async fn records_and_answers_calls_that_it_cuts_off() {
    let served =
        Served::with(|config| config.server.drain_timeout = Duration::from_millis(100)).await;
    let mut stream = under_way(&served, Fault::Hang).await;

    let ((status, head, problem), (left, journal)) =
        tokio::join!(read_answer(&mut stream), served.stop());

    assert_eq!(left, Err(CUT));
    let told = (&problem["code"], &problem["forwarded"]);
    assert_eq!(
        (status, told.0, told.1),
        (504, &"upstream_timeout".into(), &"unknown".into())
    );
    assert!(head.contains("\r\nconnection: close\r\n"), "{head}");
    let outcome = journal.outcome(problem["auditId"].as_str().unwrap());
    assert_eq!(
        ended(&outcome),
        (504, "upstream_timeout", "failed", "unknown")
    );
    let intent = &journal.of_kind("intent")[0];
    let attempts = outcome["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["error"], "cut_short");
    assert_eq!(attempts[0]["request_id"], intent["request_ids"][0]);
    assert_eq!(attempts[0]["request_id"], problem["requestId"]);
    assert_eq!(journal.last_kinds(), ["stopped", "checkpoint"]);
}

#[tokio::test(start_paused = true)]
async fn records_that_nothing_was_sent_of_a_call_that_it_cuts_off_before() {
    let second = Duration::from_secs(1);
    let world = World::with(|config| config.server.drain_timeout = second).await;
    world.network.hang("login.test");
    let mut calling = Box::pin(world.reject().send());
    assert!(futures_util::poll!(&mut calling).is_pending());
    until(|| world.network.waiting() > 0).await;
    drop(calling);
    let World { gateway, dir, .. } = world;
    let mut leaving = Box::pin(gateway.finish());
    assert!(futures_util::poll!(&mut leaving).is_pending());

    tokio::time::advance(second).await;
    let left = leaving.await;

    assert_eq!(left, Err(CUT));
    let journal = Journal::of(dir.path());
    journal.read_on();
    let outcomes = journal.of_kind("outcome");
    assert_eq!(outcomes.len(), 1);
    assert_eq!(ended(&outcomes[0]), (503, "draining", "refused", "no"));
    assert_eq!(outcomes[0].get("attempts"), None);
    assert_eq!(journal.last_kinds(), ["stopped", "checkpoint"]);
}

#[tokio::test]
async fn is_not_ready_from_the_first_moment_and_turns_new_calls_away() {
    let served = Served::new().await;
    let mut stream = under_way(&served, Fault::Delay { ms: 300 }).await;

    served.leave();
    let (ready, missing) = ask(served.admin, "/readyz").await;
    let newcomer = converse(served.address, documented_call().as_bytes()).await;
    let (answered, _, _) = read_answer(&mut stream).await;

    let names: Vec<_> = missing.as_array().unwrap().iter().collect();
    assert_eq!((ready, names.len()), (503, 1), "{missing}");
    assert_eq!(names[0]["check"], "drain");
    turned_away(&newcomer);
    assert_eq!(answered, 200);
    assert_eq!(served.sandbox.seen().len(), 1);
}

#[tokio::test]
async fn answers_connections_that_nobody_has_accepted_yet() {
    let served = Served::new().await;
    // Nothing but the kernel runs here, which completes connections by itself.
    let mut waiting: Vec<_> = (0..20)
        .map(|_| call_by_the_kernel(served.address))
        .collect();

    let answers = tokio::task::spawn_blocking(move || {
        let read = |stream: &mut net::TcpStream| {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        };
        waiting.iter_mut().map(read).collect::<io::Result<Vec<_>>>()
    });
    let (left, journal) = served.stop().await;

    let answers = answers.await.unwrap().expect("no reset");
    for answer in &answers {
        turned_away(answer);
    }
    assert_eq!(left, Ok(()));
    assert_eq!(journal.of_kind("outcome").len(), 20);
}

#[tokio::test(start_paused = true)]
async fn has_nothing_to_tell_of_connections_however_long_it_ran() {
    let log = Log::begin();
    let standstill = Standstill::begin();
    let served = Served::new().await;
    let mut probe = TcpStream::connect(served.admin).await.unwrap();
    let live = b"GET /livez HTTP/1.1\r\nHost: gateway\r\n\r\n";
    probe.write_all(live).await.unwrap();
    read_answer(&mut probe).await;
    tokio::time::advance(Duration::from_mins(1)).await;
    drop(standstill);

    let (left, _) = served.stop().await;

    assert_eq!(left, Ok(()));
    assert_eq!(read_to_end(&mut probe).await, "");
    let open = log.lines("connections were still open at the end of the drain");
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn answers_connections_that_find_a_place_only_when_it_leaves() {
    let served = Served::with(|config| config.server.max_connections = 1).await;
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    call(&mut silent).await;
    read_answer(&mut silent).await;
    let calls = [(); 3].map(|()| call_by_the_kernel(served.address));
    let mut calls = calls.map(|stream| {
        stream.set_nonblocking(true).unwrap();
        TcpStream::from_std(stream).unwrap()
    });

    let reading = async {
        let mut answers = Vec::new();
        for stream in &mut calls {
            answers.push(read_to_end(stream).await);
        }
        answers
    };
    let (answers, (left, _)) = tokio::join!(reading, served.stop());

    for answer in &answers {
        turned_away(answer);
    }
    assert_eq!(read_to_end(&mut silent).await, "");
    assert_eq!(left, Ok(()));
}

#[tokio::test]
async fn answers_what_comes_over_a_kept_connection_once_more() {
    let served = Served::new().await;
    let mut kept = TcpStream::connect(served.address).await.unwrap();
    let mut halfway = TcpStream::connect(served.address).await.unwrap();
    let mut silent = TcpStream::connect(served.address).await.unwrap();
    for stream in [&mut kept, &mut halfway, &mut silent] {
        call(stream).await;
        read_answer(stream).await;
    }
    let request = documented_call();
    let (beginning, rest) = request.split_at(20);
    halfway.write_all(beginning.as_bytes()).await.unwrap();

    served.leave();
    call(&mut kept).await;
    let answer = read_to_end(&mut kept).await;
    halfway.write_all(rest.as_bytes()).await.unwrap();
    let completed = read_to_end(&mut halfway).await;
    let nothing = read_to_end(&mut silent).await;
    let (left, journal) = served.stop().await;

    turned_away(&answer);
    turned_away(&completed);
    assert_eq!(nothing, "");
    assert_eq!(left, Ok(()));
    assert_eq!(journal.of_kind("outcome").len(), 5);
}

#[tokio::test]
async fn completes_handshakes_of_callers_who_come_while_it_leaves() {
    let mutual = Mutual::new().await;
    let authorization = format!("Authorization: Bearer {BILLING}\r\n");

    mutual.served.leave();
    let reply = mutual.call(None, &authorization).await;

    assert_eq!(
        (reply.status, &reply.body["code"]),
        (503, &"draining".into())
    );
}

#[tokio::test]
async fn ends_connections_of_http_2_behind_the_calls_under_way() {
    let served = Served::new().await;
    let mut connections = JoinSet::new();
    let mut sender = connect_http_2(served.address, &mut connections).await;
    let mut idle = connect_http_2(served.address, &mut connections).await;
    assert_eq!(
        idle.send_request(request("/nowhere"))
            .await
            .unwrap()
            .status(),
        404
    );
    let slow = Fault::Delay { ms: 300 };
    served.sandbox.push_fault(Target::PartnerCenter, slow);
    let path = format!("/transfers/{CUSTOMER}/{TRANSFER}/reject");
    let calling = sender.send_request(request(&path));
    until(|| !served.sandbox.seen().is_empty()).await;

    served.leave();
    let answer = calling.await.unwrap();
    let ended = [connections.join_next().await, connections.join_next().await];
    let late = sender.send_request(request(&path)).await;
    let (left, _) = served.stop().await;

    assert_eq!(answer.status(), 200);
    assert!(!answer.headers().contains_key("connection"));
    assert!(
        ended.iter().all(|ended| matches!(ended, Some(Ok(Ok(()))))),
        "{ended:?}"
    );
    assert!(late.expect_err("over").is_canceled());
    assert_eq!(left, Ok(()));
}

/// Makes the documented call on a connection of its own, and waits until it has come to Partner Center,
/// which fails at it.
async fn under_way(served: &Served, fault: Fault) -> TcpStream {
    until(|| !served.sandbox.token_requests().is_empty()).await;
    served.sandbox.push_fault(Target::PartnerCenter, fault);
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    call(&mut stream).await;
    until(|| !served.sandbox.seen().is_empty()).await;
    stream
}

async fn call(stream: &mut TcpStream) {
    let call = documented_call();
    stream.write_all(call.as_bytes()).await.unwrap();
}

/// Makes the documented call before the gateway can notice the connection.
fn call_by_the_kernel(address: SocketAddr) -> net::TcpStream {
    let mut stream = net::TcpStream::connect(address).unwrap();
    stream.write_all(documented_call().as_bytes()).unwrap();
    stream
}

fn request(path: &str) -> Request<Empty<Bytes>> {
    Request::post(format!("http://gateway{path}"))
        .header("authorization", format!("Bearer {BILLING}"))
        .body(Empty::new())
        .unwrap()
}

/// A whole answer that tells to come again elsewhere, on a connection that ends with it.
fn turned_away(answer: &str) {
    let (head, body) = answer.split_once("\r\n\r\n").expect(answer);
    let head = head.to_lowercase();
    assert!(head.starts_with("http/1.1 503 "), "{answer}");
    assert!(head.contains("\r\nconnection: close"), "{answer}");
    assert!(head.contains("\r\nretry-after: 1"), "{answer}");
    let problem: Value = serde_json::from_str(body).expect(answer);
    assert_eq!(
        (&problem["code"], &problem["forwarded"]),
        (&"draining".into(), &"no".into())
    );
}

/// What an outcome record says in short: status, code, outcome and what was sent.
fn ended(outcome: &Value) -> (u64, &str, &str, &str) {
    let word = |key: &str| outcome[key].as_str().unwrap();
    let status = outcome["status"].as_u64().unwrap();
    (status, word("code"), word("outcome"), word("forwarded"))
}

const CUT: Cut = Cut {
    under_way: 1,
    unrecorded: 0,
};
