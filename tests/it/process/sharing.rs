//! Gateways that share their callers' keys over a real NATS server, as processes that are killed.

use http::Method;
use sandbox::{Fault, Target};
use tokio::{task::JoinSet, time::Instant};

use super::site::{Answer, Running, Site};
use crate::harness::{TRANSFER, nats::NatsServer, process::within};

#[tokio::test]
async fn finish_the_call_of_one_that_was_killed_and_send_nothing_that_was_done() {
    let (_server, site) = shared().await;
    site.sandbox
        .push_fault(Target::PartnerCenter, Fault::CommitThenHang);

    let finished = killed_amid(&site).await;

    assert_eq!(finished.status, 200);
    assert_eq!(finished.body["status"], "Reject");
    assert_eq!(patches(&site), 1);
}

#[tokio::test]
async fn make_the_call_of_one_that_was_killed_once_it_is_seen_not_to_be_done() {
    let (_server, site) = shared().await;
    site.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);

    let finished = killed_amid(&site).await;

    assert_eq!(finished.status, 200);
    let methods: Vec<_> = site
        .sandbox
        .seen()
        .into_iter()
        .map(|it| it.method)
        .collect();
    let [first, looks @ .., last] = &methods[..] else {
        panic!("{methods:?}")
    };
    assert_eq!((first, last), (&Method::PATCH, &Method::PATCH));
    assert_eq!(looks, [Method::GET, Method::GET, Method::GET]);
}

/// Has one gateway killed while its call is at Partner Center, and another finish it.
async fn killed_amid(site: &Site) -> Answer {
    let one = site.listening(site.spawn("serve")).await.ready().await;
    let other = site
        .listening(site.spawn_beside("serve"))
        .await
        .ready()
        .await;
    let address = one.address;
    let mut holding = JoinSet::new();
    holding.spawn(async move { under_key(&one).await });
    within(async || patches(site) == 1).await;
    assert_ne!(address, other.address);
    let began = Instant::now();
    // Its process is killed with it.
    holding.shutdown().await;

    let finished = loop {
        let answer = other.reject_under("a", TRANSFER).await.expect("an answer");
        // What is left of a call that has waited may not be enough to send anything.
        match answer.status {
            409 => {}
            504 if answer.body["forwarded"] == "no" => {}
            _ => break answer,
        }
    };

    // The lease is the deadline and five seconds, and then the transfer is looked at.
    let took = began.elapsed().as_secs();
    assert!((14..25).contains(&took), "{took}");
    let again = other.reject_under("a", TRANSFER).await.expect("an answer");
    assert_eq!((again.status, &again.body), (200, &finished.body));
    finished
}

async fn under_key(gateway: &Running) -> std::io::Result<Answer> {
    gateway.reject_under("a", TRANSFER).await
}

fn patches(site: &Site) -> usize {
    let seen = site.sandbox.seen();
    seen.iter().filter(|it| it.method == Method::PATCH).count()
}

/// A server, and a site whose gateways share their keys there and give a call ten seconds.
async fn shared() -> (NatsServer, Site) {
    let server = NatsServer::start().await;
    let site = Site::new().await;
    let cluster = format!(
        "cluster: {{nats: {{url: 'nats://{}', replicas: 1}}}}\nupstream: {{deadline: 10s, \
         attempt_timeout: 10s}}\nserver:",
        server.address()
    );
    site.edit("server:", &cluster);
    (server, site)
}
