//! A configuration that changes while the program runs.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use futures_util::future::join_all;
use serde_json::Value;

use super::site::{Running, Site, private};
use crate::harness::{
    BILLING, TRANSFER,
    journal::sha256,
    process::within,
    served::{converse, until},
};

/// The lines of the log with a message.
fn told(gateway: &Running, message: &str) -> Vec<Value> {
    let log = gateway.process.stderr();
    log.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|line| line["message"] == message)
        .collect()
}

/// Asks for the configuration to be read anew, and waits until it was.
async fn hang_up(gateway: &Running, message: &str) {
    let before = told(gateway, message).len();
    gateway.process.signal("HUP");
    within(async || told(gateway, message).len() > before).await;
}

async fn status(gateway: &Running, token: &str) -> u16 {
    let answer = gateway.call(TRANSFER, token).await;
    answer.expect("an answer").status
}

#[tokio::test]
async fn judges_each_call_by_one_whole_configuration() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let one = fs::read_to_string(site.config()).unwrap();
    private(
        &site.path("other-tokens"),
        &format!("dunning:{}\n", sha256(BILLING)),
    );
    // Another name for the caller, the rule and the caller in the rule: half of it grants nothing.
    let other = one
        .replace("/tokens", "/other-tokens")
        .replace("principals: [billing]", "principals: [dunning]")
        .replace("billing may reject", "dunning may reject");

    let (made, swaps) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let calling = join_all((0..10).map(async |_| {
        while made.load(SeqCst) < 1000 || swaps.load(SeqCst) < 20 {
            let answer = gateway.call(TRANSFER, BILLING).await.unwrap();
            // Whoever comes first rejects the transfer; after that Partner Center refuses.
            assert!(matches!(answer.status, 200 | 400), "{answer:?}");
            made.fetch_add(1, SeqCst);
        }
    }));
    let swapping = async {
        for turn in 0..20 {
            // Calls are made before, during and after each.
            until(|| made.load(SeqCst) > 50 * turn).await;
            let text = if turn % 2 == 0 { &other } else { &one };
            let next = site.path("next");
            private(&next, text);
            fs::rename(next, site.config()).unwrap();
            hang_up(&gateway, IN_FORCE).await;
            swaps.fetch_add(1, SeqCst);
        }
    };
    tokio::join!(calling, swapping);

    let outcomes = site.journal().of_kind("outcome");
    assert!(outcomes.len() >= 1000);
    let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    let wholes: BTreeSet<_> = outcomes
        .iter()
        .map(|record| ["principal", "rule", "policy"].map(|key| text(record, key)))
        .collect();
    let names: Vec<_> = wholes
        .iter()
        .map(|[principal, rule, _]| (&**principal, &**rule))
        .collect();
    assert_eq!(
        names,
        [
            ("billing", "billing may reject"),
            ("dunning", "dunning may reject")
        ]
    );
    assert!(told(&gateway, NOT_SOUND).is_empty());
    let policies: Vec<_> = outcomes.iter().map(|record| &record["policy"]).collect();
    let seen = policies.windows(2).filter(|two| two[0] != two[1]).count();
    assert!(seen >= 20, "{seen} changes among calls");
}

#[tokio::test]
async fn stays_as_it_is_while_a_file_is_broken() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let sound = fs::read_to_string(site.config()).unwrap();

    for (failed_before, (from, to, problem)) in (0_u64..).zip([
        ("principals: [billing]", "principals: [", "gateway.yaml"),
        ("customers:", "customer:", "customers"),
        ("/tokens", "/gone", "/gone"),
    ]) {
        site.edit(from, to);
        hang_up(&gateway, NOT_SOUND).await;

        let line = told(&gateway, NOT_SOUND).pop().unwrap();
        assert!(line["error"].as_str().unwrap().contains(problem), "{line}");
        assert!(line["config_reload_failed"].as_u64().unwrap() > failed_before);
        assert_eq!(line["level"], "ERROR");
        assert_ne!(status(&gateway, BILLING).await, 401);
        assert_eq!(stale(&gateway).await, "1");
        private(&site.config(), &sound);
    }
    hang_up(&gateway, IN_FORCE).await;
    assert_eq!(status(&gateway, BILLING).await, 400);
    assert_eq!(stale(&gateway).await, "0");
}

/// Whether the metrics say that the files hold what was refused.
async fn stale(gateway: &Running) -> String {
    metric(gateway, "config_stale").await
}

/// What the metrics say.
async fn metric(gateway: &Running, name: &str) -> String {
    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let page = converse(gateway.admin, get).await;
    let name = format!("partner_gateway_{name} ");
    let told = page.lines().find_map(|line| line.strip_prefix(&name));
    told.unwrap().to_owned()
}

#[tokio::test]
async fn follows_the_symlink_that_kubernetes_swaps() {
    let site = Site::new().await;
    let text = fs::read_to_string(site.config()).unwrap();
    for (version, text) in [
        ("..one", text.clone()),
        (
            "..two",
            text.replace("principals: [billing]", "principals: [stranger]"),
        ),
    ] {
        fs::create_dir(site.path(version)).unwrap();
        private(&site.path(version).join("gateway.yaml"), &text);
    }
    fs::remove_file(site.config()).unwrap();
    symlink("..one", site.path("..data")).unwrap();
    symlink("..data/gateway.yaml", site.config()).unwrap();
    let gateway = site.start().await;
    assert_eq!(status(&gateway, BILLING).await, 200);

    symlink("..two", site.path("..data_tmp")).unwrap();
    fs::rename(site.path("..data_tmp"), site.path("..data")).unwrap();

    within(async || status(&gateway, BILLING).await == 403).await;
    assert_eq!(status(&gateway, "stranger-token").await, 400);
    assert_eq!(told(&gateway, IN_FORCE).len(), 1);
}

#[tokio::test]
async fn forgets_a_token_that_is_taken_out_of_the_file() {
    let site = Site::new().await;
    let gateway = site.start().await;
    assert_eq!(status(&gateway, BILLING).await, 200);

    private(
        &site.path("tokens"),
        &format!("billing:{}\n", sha256("fresh")),
    );

    within(async || status(&gateway, BILLING).await == 401).await;
    assert_eq!(status(&gateway, "fresh").await, 400);
}

#[tokio::test]
async fn reads_a_file_that_was_not_there_when_it_was_first_named() {
    let site = Site::new().await;
    let gateway = site.start().await;
    site.edit("/tokens", "/later");
    within(async || !told(&gateway, NOT_SOUND).is_empty()).await;
    assert_eq!(status(&gateway, BILLING).await, 200);

    private(
        &site.path("later"),
        &format!("billing:{}\n", sha256("fresh")),
    );

    within(async || status(&gateway, "fresh").await == 400).await;
    assert_eq!(status(&gateway, BILLING).await, 401);
}

#[tokio::test]
async fn tells_which_changes_wait_for_a_restart() {
    let site = Site::new().await;
    let gateway = site.start().await;

    site.edit("drain_timeout: 15s", "drain_timeout: 16s");
    site.edit("format: json, filter: trace", "format: json, filter: debug");
    hang_up(&gateway, MOSTLY_IN_FORCE).await;

    assert_eq!(metric(&gateway, "config_keys_awaiting_restart").await, "1");
    let waiting = told(&gateway, "changed; takes effect after a restart");
    assert_eq!(waiting[0]["key"], "server.drain_timeout");
    let debug = |line: &str| line.contains(r#""level":"DEBUG""#);
    converse(gateway.address, b"no request\r\n\r\n").await;
    within(async || gateway.process.stderr().lines().any(debug)).await;
}

/// What the log says when a configuration takes the place of another.
const IN_FORCE: &str = "configuration read anew and in force";

/// What it says where a part of it has to wait.
const MOSTLY_IN_FORCE: &str =
    "configuration read anew and in force, except for what takes effect after a restart";

/// What it says when one does not.
const NOT_SOUND: &str = "configuration not sound; the old one stays in force";
