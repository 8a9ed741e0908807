//! What the program sends to its standard output.

use std::{collections::BTreeSet, fs};

use super::site::{Site, private};
use crate::{
    harness::{TRANSFER, journal::sha256, process::within, served::converse},
    token::standing::{documented, listed},
};

#[tokio::test]
async fn writes_the_lines_of_each_run_to_its_standard_output() {
    let site = Site::new().await;
    site.edit("/audit}", "/audit, sinks: [{name: agent, kind: stdout}]}");
    let mut before = String::new();

    for _ in 0..2 {
        let gateway = site.start().await;
        let answer = gateway.reject(TRANSFER).await;
        within(async || gateway.process.stdout().contains(&answer.audit_id)).await;
        let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        within(async || converse(gateway.admin, get).await.contains(CAUGHT_UP)).await;
        gateway.process.signal("TERM");
        let ended = gateway.process.ended().await;

        let all = site.journal_text();
        assert_eq!(ended.code, Some(0));
        assert_eq!(before.clone() + &ended.stdout, all);
        assert!(
            ended
                .stdout
                .lines()
                .next()
                .unwrap()
                .contains(r#""kind":"started""#)
        );
        assert!(
            ended
                .stdout
                .lines()
                .last()
                .unwrap()
                .contains(r#""kind":"checkpoint""#)
        );
        before = all;
    }
    assert!(!site.path("audit/cursors").exists());
}

#[tokio::test]
async fn tells_of_cursors_that_no_sink_has_and_goes_by_them_all_the_same() {
    let site = Site::new().await;
    let first = site.start().await;
    first.process.signal("TERM");
    first.process.ended().await;
    fs::create_dir(site.path("audit/cursors")).unwrap();
    let cursor = |seq: usize, line: &str| {
        let hash = sha256(line);
        let text = format!(
            r#"{{"seq":{seq},"hash":"{hash}","acknowledged":"2026-03-01T00:00:00Z","earlier":[]}}"#
        );
        fs::write(site.path("audit/cursors/gone.json"), text).unwrap();
    };
    let text = site.journal_text();
    cursor(1, text.lines().next().unwrap());

    let told = site.start().await;
    told.process.signal("TERM");
    let told = told.process.ended().await;
    cursor(100, "a line that is gone");
    let refused = site.spawn("serve").ended().await;

    assert_eq!(told.code, Some(0));
    assert!(
        told.stderr.contains("audit sink is configured no longer"),
        "{}",
        told.stderr
    );
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("gone.json\\\" vouches")
            || refused.stderr.contains("gone.json\" vouches"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn tells_the_numbers_of_sinks_and_witnesses_that_the_readme_lists() {
    let site = Site::new().await;
    let sinks = "{name: agent, kind: stdout}, \
                 {name: away, kind: otlp, endpoint: 'http://127.0.0.1:1/v1/logs'}";
    site.edit("/audit}", &format!("/audit, sinks: [{sinks}]}}"));
    let cluster = "cluster: {nats: {url: 'nats://127.0.0.1:1', replicas: 1}}\naudit:";
    site.edit("audit:", cluster);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;

    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    // The one sink has acknowledged records, and some wait for the other.
    within(async || {
        let page = converse(gateway.admin, get).await;
        let lines = page
            .lines()
            .filter(|line| OF_THEIRS.iter().any(|name| line.starts_with(name)));
        let samples = lines.filter_map(|line| line.rsplit_once(' '));
        let told: BTreeSet<_> = samples.map(|(sample, _)| documented(sample)).collect();
        let listed = listed().into_iter();
        let listed: BTreeSet<_> = listed
            .filter(|it| OF_THEIRS.iter().any(|name| it.starts_with(name)))
            .map(|it| it.replace("{sink,kind}", "{kind,sink}"))
            .collect();
        told == listed
    })
    .await;

    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn tells_where_each_sink_is_and_what_is_wrong_with_what_says_so() {
    let site = Site::new().await;
    let url = site.path("postgres-url");
    let sinks = format!(
        "{{name: table, kind: postgres, url: {{file: {}}}}}, {{name: stream, kind: nats}}, \
         {{name: away, kind: otlp, endpoint: 'http://127.0.0.1:1/v1/logs'}}",
        url.display()
    );
    site.edit("/audit}", &format!("/audit, sinks: [{sinks}]}}"));
    site.edit(
        "audit:",
        "cluster: {nats: {url: 'nats://127.0.0.1:4222', replicas: 1, stream: CENTRAL}}\naudit:",
    );
    let check = async |text: &str| {
        private(&url, text);
        site.spawn("check").ended().await
    };

    let sound = check("postgres://u:hunter2@db.test,db2.test/audit").await;
    let root = check("postgres://u:hunter2@db.test/audit?sslrootcert=/ca.pem").await;
    let odd = check("hunter2").await;

    assert_eq!(sound.code, Some(0), "{sound:?}");
    for line in [
        "sink table: audit records go to a PostgreSQL table, and are kept no longer for it (at db.test,db2.test/audit)\n",
        "sink stream: audit records go to the stream of the cluster, and are kept no longer for it \
         (at 127.0.0.1, stream CENTRAL)\n",
        "sink away: audit records go to the collector at http://127.0.0.1:1/v1/logs, and are kept no longer for it\n",
    ] {
        assert!(sound.stdout.contains(line), "{line}: {sound:?}");
    }
    let at = format!("audit.sinks[0].url, the file {}: ", url.display());
    for (told, words) in [
        (
            root,
            "the connection string names sslrootcert, whose place is `ca_file`",
        ),
        (
            odd,
            "the connection string cannot be read; accepted: postgres://",
        ),
    ] {
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.stdout.contains(&format!("{at}{words}")), "{told:?}");
        assert!(!told.stdout.contains("hunter2"), "{told:?}");
    }
}

#[tokio::test]
async fn tries_sinks_at_once_on_sighup() {
    let site = Site::new().await;
    let away = "{name: away, kind: otlp, endpoint: 'http://127.0.0.1:1/v1/logs'}";
    site.edit("/audit}", &format!("/audit, sinks: [{away}]}}"));
    let gateway = site.start().await;
    let log = || gateway.process.stderr();
    within(async || log().contains("audit sink does not take records")).await;

    within(async || {
        gateway.process.signal("HUP");
        log().contains("audit sink is tried at once, because somebody asked for it")
    })
    .await;

    gateway.process.signal("TERM");
    assert_eq!(gateway.process.ended().await.code, Some(0));
}

const CAUGHT_UP: &str = "partner_gateway_audit_sink_lag_records{kind=\"stdout\",sink=\"agent\"} 0";

/// How the names of the numbers of sinks and witnesses begin.
const OF_THEIRS: [&str; 2] = [
    "partner_gateway_audit_sink_",
    "partner_gateway_audit_witness_",
];
