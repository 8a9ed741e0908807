//! Programs that are told to stop.

use std::io;

use sandbox::{Fault, Target};
use tokio::net::TcpStream;

use super::{
    kinds, open,
    site::{Running, Site},
};
use crate::harness::{
    BILLING, CUSTOMER, TRANSFER,
    process::within,
    served::{ask, until},
};

#[tokio::test]
async fn ends_at_once_when_it_is_told_to_leave_while_it_starts() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::new().await;
    let first = site.start().await;
    first.process.signal("TERM");
    assert_eq!(first.process.ended().await.code, Some(0));
    let url = format!("nats://{}", silent.local_addr().unwrap());
    site.edit(
        "audit:",
        &format!("cluster: {{nats: {{url: \"{url}\", replicas: 1}}}}\naudit:"),
    );
    site.edit("/audit}", "/audit, sinks: [{name: central, kind: nats}]}");
    let before = site.journal_text();

    let starting = site.spawn("serve");
    // It waits for the sink now, for seconds.
    let _held = silent.accept().await.unwrap();
    starting.signal("TERM");
    let ended = starting.ended().await;

    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("SIGTERM received while starting"),
        "{}",
        ended.stderr
    );
    assert_eq!(site.journal_text(), before);
}

#[tokio::test]
async fn finishes_what_is_in_flight() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let fault = Fault::Delay { ms: 500 };
    site.sandbox.push_fault(Target::PartnerCenter, fault);

    let (answer, ()) = tokio::join!(gateway.reject(TRANSFER), stop_under_way(&site, &gateway));
    let address = gateway.address;
    let ended = gateway.process.ended().await;

    assert_eq!((answer.status, ended.code), (200, Some(0)), "{ended:?}");
    let journal = site.journal();
    let outcome = journal.outcome(&answer.audit_id);
    assert_eq!(outcome["status"], 200);
    assert_eq!(outcome["forwarded"], "yes");
    let all = ["started", "intent", "outcome", "stopped", "checkpoint"];
    assert_eq!(kinds(&journal), all);
    let refused = TcpStream::connect(address).await.expect_err("gone");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn leaves_a_call_open_whose_end_it_cannot_learn_and_closes_it_after_the_next_start() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let asked = |method: &str, count: usize| {
        let seen = site.sandbox.seen();
        seen.iter().filter(|it| it.method == method).count() == count
    };
    site.sandbox
        .push_fault(Target::PartnerCenter, Fault::CommitThenHang);
    let killing = async {
        until(|| asked("PATCH", 1)).await;
        gateway.process.signal("KILL");
    };
    let (answer, ()) = tokio::join!(gateway.call(TRANSFER, BILLING), killing);
    assert!(answer.is_err(), "{answer:?}");
    gateway.process.ended().await;

    site.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);
    let looking = site.start().await;
    until(|| asked("GET", 1)).await;
    looking.process.signal("TERM");
    let left = looking.process.ended().await;
    let open_then = open(&site.journal());
    let _again = site.start().await;
    within(async || open(&site.journal()) == 0).await;

    assert_eq!((left.code, open_then), (Some(0), 1), "{left:?}");
    let closed = site.journal().of_kind("outcome");
    assert_eq!(closed[0]["outcome"], "reconciled");
    assert_eq!(closed[0]["forwarded"], "yes");
    assert!(asked("GET", 2) && asked("PATCH", 1));
    let history = site.sandbox.transfer_history(CUSTOMER, TRANSFER).unwrap();
    assert_eq!(history.effects, 1);
}

#[tokio::test]
async fn records_and_answers_what_the_end_of_the_drain_cuts_off_and_exits_3() {
    let site = Site::new().await;
    site.edit("drain_timeout: 15s", "drain_timeout: 600ms");
    let gateway = site.start().await;
    site.sandbox.push_fault(Target::PartnerCenter, Fault::Hang);

    let (answer, ()) = tokio::join!(gateway.reject(TRANSFER), stop_under_way(&site, &gateway));
    let ended = gateway.process.ended().await;

    assert_eq!((answer.status, ended.code), (504, Some(3)), "{ended:?}");
    assert_eq!(answer.body["code"], "upstream_timeout");
    assert_eq!(answer.body["forwarded"], "unknown");
    assert!(
        ended
            .stderr
            .contains("by the end of the drain: 1; of these without a record: 0"),
        "{}",
        ended.stderr
    );
    let journal = site.journal();
    let all = ["started", "intent", "outcome", "stopped", "checkpoint"];
    assert_eq!(kinds(&journal), all);
    let intent = &journal.of_kind("intent")[0];
    let outcome = journal.outcome(&answer.audit_id);
    assert_eq!(outcome["call"], intent["call"]);
    assert_eq!(outcome["status"], 504);
    assert_eq!(outcome["outcome"], "failed");
    assert_eq!(outcome["forwarded"], "unknown");
    let attempts = outcome["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["error"], "cut_short");
    assert_eq!(attempts[0]["request_id"], intent["request_ids"][0]);
}

#[tokio::test]
async fn is_not_ready_while_it_leaves_and_serves_nobody_new() {
    let site = Site::new().await;
    let gateway = site.start().await;
    // Longer than the listener lingers.
    let fault = Fault::Delay { ms: 4000 };
    site.sandbox.push_fault(Target::PartnerCenter, fault);

    let asking = async {
        stop_under_way(&site, &gateway).await;
        let mut missing = Vec::new();
        within(async || {
            let (status, checks) = ask(gateway.admin, "/readyz").await;
            missing = checks.as_array().expect("checks").clone();
            status == 503
        })
        .await;
        let newcomer = gateway.call(TRANSFER, BILLING).await;
        within(async || TcpStream::connect(gateway.address).await.is_err()).await;
        let (status, _) = ask(gateway.admin, "/readyz").await;
        (missing, newcomer, status)
    };
    let (answer, (missing, newcomer, still)) = tokio::join!(gateway.reject(TRANSFER), asking);
    let ended = gateway.process.ended().await;

    let names: Vec<_> = missing.iter().map(|check| &check["check"]).collect();
    assert_eq!(names, ["drain"]);
    let newcomer = newcomer.map(|answer| answer.body["code"].clone());
    match newcomer {
        Ok(code) => assert_eq!(code, "draining"),
        Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused),
    }
    assert_eq!((still, answer.status), (503, 200));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(site.sandbox.seen().len(), 1);
}

/// Tells the gateway to stop once a call has come to Partner Center.
async fn stop_under_way(site: &Site, gateway: &Running) {
    until(|| !site.sandbox.seen().is_empty()).await;
    gateway.process.signal("TERM");
}
