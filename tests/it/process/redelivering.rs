//! `audit redeliver` over real sinks, beside the gateway that runs.

use std::process::Command;

use partner_gateway::delivery::sink::Sink as _;
use serde_json::{Value, json};

use super::site::{PROGRAM, Site, private};
use crate::harness::{
    TRANSFER,
    collector::Collector,
    postgres::{Auditor, Server},
    process::{Ended, Process, within},
};

#[tokio::test]
async fn sends_the_table_what_it_takes_by_now_and_tells_what_it_refuses_again() {
    let server = Server::start(&[]).await;
    let auditor = server.auditor().await;
    server.sink().establish().await.unwrap();
    let site = Site::new().await;
    let url = site.path("postgres-url");
    private(&url, &server.url());
    let sink = format!(
        "/audit, sinks: [{{name: central, kind: postgres, required: true, url: {{file: {}}}}}]}}",
        url.display()
    );
    site.edit("/audit}", &sink);
    refuse(&auditor, "NEW.kind IN ('intent', 'outcome')").await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let aside = || entries(&site).len();
    within(async || aside() == 2).await;

    refuse(&auditor, "NEW.kind = 'outcome'").await;
    let some = redeliver(&site, &["--sink", "central"]).await;
    let left = entries(&site);
    auditor.run("DROP FUNCTION refuse CASCADE").await;
    let rest = redeliver(&site, &["--sink", "central", "--json"]).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let verified = audit(&site, "verify", &["--against", "central"]).await;

    assert_eq!(some.code, Some(1), "{some:?}");
    let [intent, outcome, told] = &some.stdout.lines().collect::<Vec<_>>()[..] else {
        panic!("{some:?}")
    };
    assert!(intent.ends_with("  taken"), "{some:?}");
    assert!(
        outcome.ends_with("  refused   PostgreSQL says 22023: too long for us"),
        "{some:?}"
    );
    assert_eq!(
        *told,
        "sink central: 1 of 2 taken; 1 refused again or not sent, 0 not tried, which stay set aside"
    );
    assert_eq!(left.len(), 1);
    assert_eq!(rest.code, Some(0), "{rest:?}");
    let told: Value = serde_json::from_str(&rest.stdout).unwrap();
    assert_eq!(
        told,
        json!({"sink": "central", "taken": 1, "left": 0, "untried": 0, "unreadable": 0, "stopped": null, "records": [{
            "journal": left[0]["journal"], "seq": left[0]["seq"], "id": left[0]["id"], "result": "taken", "reason": null,
        }]})
    );
    assert_eq!(entries(&site), [Value::Null; 0]);
    assert_eq!(auditor.breaks().await, []);
    let text = site.journal_text();
    assert_eq!(auditor.lines().await, text.lines().collect::<Vec<_>>());
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test]
async fn sends_a_collector_what_another_one_refused() {
    let collector = Collector::start().await;
    let site = Site::new().await;
    let sink = format!(
        "/audit, sinks: [{{name: central, kind: otlp, endpoint: '{}'}}]}}",
        collector.endpoint("/v1/logs")
    );
    site.edit("/audit}", &sink);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let all = site.journal_text().lines().count();
    within(async || collector.records().len() == all).await;
    let line = site.journal_text().lines().nth(1).unwrap().to_owned();
    let record: Value = serde_json::from_str(&line).unwrap();
    let entry = json!({
        "journal": record["journal"], "seq": 2, "id": record["id"], "time": record["time"], "reason": "no", "line": line,
    });
    std::fs::create_dir(site.path("audit/refused")).unwrap();
    private(
        &site.path("audit/refused/central.jsonl"),
        &format!("{entry}\n"),
    );

    let sent = redeliver(&site, &["--sink", "central"]).await;

    assert_eq!(sent.code, Some(0), "{sent:?}");
    assert_eq!(entries(&site), [Value::Null; 0]);
    within(async || collector.records().len() == all + 1).await;
}

#[tokio::test]
async fn says_what_a_sink_has_to_be_to_be_sent_anything_again() {
    let site = Site::new().await;
    let sinks = "{name: agent, kind: stdout}, {name: stream, kind: nats}, \
                 {name: away, kind: otlp, endpoint: 'http://127.0.0.1:1/v1/logs'}";
    site.edit("/audit}", &format!("/audit, sinks: [{sinks}]}}"));
    site.edit(
        "audit:",
        "cluster: {nats: {url: 'nats://127.0.0.1:1', replicas: 1}}\naudit:",
    );
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;

    let unknown = redeliver(&site, &["--sink", "nobody"]).await;
    let nats = redeliver(&site, &["--sink", "stream"]).await;
    let none = redeliver(&site, &["--sink", "away"]).await;
    let line = site.journal_text().lines().next().unwrap().to_owned();
    let record: Value = serde_json::from_str(&line).unwrap();
    let entry = json!({"journal": record["journal"], "seq": 1, "id": record["id"], "line": line});
    std::fs::create_dir_all(site.path("audit/refused")).unwrap();
    private(
        &site.path("audit/refused/away.jsonl"),
        &format!("{entry}\n"),
    );
    let away = redeliver(&site, &["--sink", "away"]).await;

    assert_eq!((unknown.code, nats.code), (Some(2), Some(2)));
    let told =
        "--sink: found \"nobody\"; accepted: a sink of the configuration: agent, stream, away";
    assert!(unknown.stderr.contains(told), "{unknown:?}");
    let told = "stream is of the kind nats, which refuses no record for good";
    assert!(nats.stderr.contains(told), "{nats:?}");
    assert_eq!(none.code, Some(0), "{none:?}");
    let told = "sink away: none of these records is set aside\n";
    assert_eq!(none.stdout, told);
    assert_eq!(away.code, Some(2), "{away:?}");
    let told = "sink away: 0 of 1 taken; 0 refused again or not sent, 1 not tried, which stay set aside\nstopped: ";
    assert!(away.stdout.starts_with(told), "{away:?}");
    assert_eq!(entries(&site).len(), 1);
}

/// Has the table refuse some records, and no others than these.
async fn refuse(auditor: &Auditor, which: &str) {
    auditor
        .run(&format!(
            "DROP FUNCTION IF EXISTS refuse CASCADE;
             CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF {which} THEN RAISE EXCEPTION 'too long for us' USING ERRCODE = '22023'; END IF;
                 RETURN NEW; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON audit_records FOR EACH ROW EXECUTE FUNCTION refuse()"
        ))
        .await;
}

/// What is set aside.
fn entries(site: &Site) -> Vec<Value> {
    let text = std::fs::read_to_string(site.path("audit/refused/central.jsonl"));
    let text = text.or_else(|_| std::fs::read_to_string(site.path("audit/refused/away.jsonl")));
    let text = text.unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

async fn redeliver(site: &Site, arguments: &[&str]) -> Ended {
    audit(site, "redeliver", arguments).await
}

async fn audit(site: &Site, command: &str, arguments: &[&str]) -> Ended {
    let config = site.config().display().to_string();
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", command, "--config", &config])
        .args(arguments);
    Process::spawn(&mut program).ended().await
}
