//! What `audit verify --against` says, over real sinks.

use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path, process::Command, time::SystemTime};

use async_nats::jetstream;
use partner_gateway::{
    audit::{chain::LineHash, cursor::Cursor},
    delivery::{batch::Line, sink::Sink as _},
    ids::JournalId,
};
use serde_json::{Value, json};

use super::site::{PROGRAM, Site};
use crate::{
    harness::{
        TRANSFER,
        journal::segments,
        nats::NatsServer,
        postgres::Server,
        process::{Ended, Process},
        records::{batch, record, records, texts},
    },
    verifying::made::{JOURNAL, Made, Signer},
};

#[tokio::test]
async fn finds_the_tail_that_was_removed_behind_what_the_journal_can_prove() {
    let server = NatsServer::start().await;
    let site = Site::new().await;
    with_nats(&site, &server);
    let gateway = site.start().await;
    for _ in 0..3 {
        gateway.reject(TRANSFER).await;
    }
    let running = against(&site, &[]).await;
    gateway.process.signal("TERM");
    assert_eq!(gateway.process.ended().await.code, Some(0));
    let whole = told(&site).await;
    let audit = site.path("audit");
    let segment = segments(&audit).remove(0);
    let text = fs::read_to_string(&segment).unwrap();
    let left = text.lines().count() - 2;
    let cut: Vec<_> = text.lines().take(left).collect();
    fs::write(&segment, format!("{}\n", cut.join("\n"))).unwrap();
    fs::remove_file(audit.join("checkpoint.json")).unwrap();
    fs::remove_dir_all(audit.join("cursors")).unwrap();

    let alone = verify(&site, &[]).await;
    let people = against(&site, &[]).await;
    let program = told(&site).await;

    assert_eq!(running.code, Some(0), "{running:?}");
    assert_eq!(whole.0, Some(0), "{whole:?}");
    assert_eq!(whole.1["records_same"], left + 2);
    assert_eq!(whole.1["signed_upto"], left + 1);
    assert_eq!(alone.code, Some(0), "{alone:?}");
    assert_eq!(people.code, Some(1), "{people:?}");
    let (from, upto) = (left + 1, left + 2);
    let line = format!(
        "\nsink central: NOT THE SAME\ndifference: records {from} to {upto}: the sink has what the journal lacks at \
         its end\nmend: "
    );
    assert!(people.stdout.contains(&line), "{people:?}");
    assert_eq!(program.0, Some(1));
    assert_eq!(
        found(&program.1),
        [json!(["not_in_journal", from, upto])],
        "{program:?}"
    );
}

#[tokio::test]
async fn names_what_a_stream_lacks_and_what_is_on_the_way() {
    let journal = JournalId::random();
    let lines = texts(&records(journal, 40));
    let holed = [&lines[..4], &lines[7..]].concat();
    let none: Vec<Value> = Vec::new();
    for (theirs, acknowledged, expected, lag) in [
        (&lines[..], 40, none.clone(), Value::Null),
        (&lines[..30], 30, none.clone(), json!([31, 40])),
        (&[], 0, none, json!([1, 40])),
        (
            &lines[..20],
            30,
            vec![json!(["not_in_sink", 21, 30])],
            json!([31, 40]),
        ),
        (&holed, 40, vec![json!(["not_in_sink", 5, 7])], Value::Null),
    ] {
        let said = in_stream(journal, &lines, theirs, acknowledged).await;

        assert_eq!(found(&said.1), expected, "{said:?}");
        assert_eq!(said.0, Some(i32::from(!expected.is_empty())), "{said:?}");
        assert_eq!(span(&said.1["not_delivered_yet"]), lag, "{said:?}");
    }
}

#[tokio::test]
async fn names_what_nobody_delivered_to_a_stream() {
    let journal = JournalId::random();
    let made = records(journal, 40);
    let (lines, forged) = (texts(&made), texts(&rewritten(journal, &made[..19])));
    let repeated = [&lines[..10], &lines[8..]].concat();
    let odd = [&lines[..10], &["{}".to_owned()], &lines[10..]].concat();
    let changed = lines[4].replace("rejected", "answered");
    let changed = [&lines[..4], &[changed], &lines[5..]].concat();
    for (ours, theirs, expected) in [
        (&lines, repeated, vec![json!(["repeated", 9, 10])]),
        (&lines, odd, vec![json!(["no_record", 11, 11])]),
        (
            &lines,
            changed,
            vec![json!(["other_line", 5, 5]), json!(["chain", 6, 6])],
        ),
        (&forged, lines.clone(), vec![json!(["other_line", 20, 40])]),
    ] {
        let (code, said) = in_stream(journal, ours, &theirs, 0).await;

        assert_eq!((code, found(&said)), (Some(1), expected), "{said}");
        assert_eq!(said["records"], theirs.len(), "{said}");
    }
}

#[tokio::test]
async fn names_what_is_not_the_same_in_a_table() {
    let server = Server::start(&["fsync=off"]).await;
    let (sink, journal, other) = (server.sink(), JournalId::random(), JournalId::random());
    let lines = records(journal, 600);
    sink.establish().await.unwrap();
    for some in lines.chunks(256) {
        sink.deliver(&batch(journal, some)).await.unwrap();
    }
    sink.deliver(&batch(other, &records(other, 3)))
        .await
        .unwrap();
    let site = Site::new().await;
    with_postgres(&site, &server);
    write(&site, &journal.to_string(), &texts(&lines));
    acknowledge(&site, 600, &texts(&lines));

    let same = told(&site).await;
    let auditor = server.auditor().await;
    auditor
        .run("DELETE FROM audit_records WHERE seq BETWEEN 300 AND 400")
        .await;
    auditor
        .run(
            "UPDATE audit_records SET line = replace(line, 'rejected', 'answered') WHERE seq = 500",
        )
        .await;
    let changed = told(&site).await;
    let people = against(&site, &[]).await;

    assert_eq!((same.0, found(&same.1)), (Some(0), vec![]), "{same:?}");
    assert_eq!(same.1["records_same"], 600);
    let others = json!([{ "journal": other.to_string(), "records": 3 }]);
    assert_eq!(same.1["other_journals"], others);
    assert_eq!(changed.0, Some(1));
    let expected = [
        json!(["not_in_sink", 300, 400]),
        json!(["other_line", 500, 500]),
        json!(["chain", 501, 501]),
    ];
    assert_eq!(found(&changed.1), expected, "{changed:?}");
    let line = format!("also in the sink, and not here: journal {other}, 3 records\n");
    assert!(people.stdout.ends_with(&line), "{people:?}");
}

#[tokio::test]
async fn checks_the_checkpoints_that_stand_in_the_sink_alone() {
    let (signer, stranger) = (Signer::new(), Signer::new());
    let made = Made::by(&signer);
    let mut forged = made.clone();
    forged.rechain_after(24, &stranger, &signer.id());
    let text = |made: &Made, seq| String::from_utf8(made.line(seq).clone()).unwrap();
    let ours: Vec<_> = (1..=24).map(|seq| text(&made, seq)).collect();
    let key = signer.public_pem();
    for (theirs, expected) in [
        (&made, vec![json!(["not_in_journal", 25, 36])]),
        (
            &forged,
            vec![
                json!(["checkpoint", 30, 30]),
                json!(["not_in_journal", 25, 36]),
                json!(["checkpoint", 36, 36]),
            ],
        ),
    ] {
        let server = NatsServer::start().await;
        let site = Site::new().await;
        with_nats(&site, &server);
        server.sink().establish().await.unwrap();
        let theirs: Vec<_> = (1..=36).map(|seq| text(theirs, seq)).collect();
        let journal = JOURNAL.parse().unwrap();
        publish(&server.operator().await, journal, &theirs).await;
        write(&site, JOURNAL, &ours);
        fs::write(site.path("key.pub"), &key).unwrap();
        let key = site.path("key.pub").display().to_string();

        let verified = against(&site, &["--json", "--key", &key]).await;

        let said: Value = serde_json::from_str(&verified.stdout).unwrap();
        let mut found = found(&said["against"]);
        let mut expected = expected;
        let order = |it: &Value| it.to_string();
        found.sort_by_key(order);
        expected.sort_by_key(order);
        assert_eq!((verified.code, found), (Some(1), expected), "{said}");
    }
}

#[tokio::test]
async fn tells_a_sink_that_has_nothing_from_one_that_it_cannot_read() {
    let mut server = NatsServer::start().await;
    let site = Site::new().await;
    with_nats(&site, &server);
    let journal = JournalId::random();
    write(&site, &journal.to_string(), &texts(&records(journal, 3)));

    let empty = against(&site, &[]).await;
    server.kill();
    let away = against(&site, &[]).await;
    let unknown = verify(&site, &["--against", "other"]).await;

    assert_eq!(empty.code, Some(0), "{empty:?}");
    let nothing = "\nsink central: the same\nin the sink: 0 records; the same in the journal: 0\n\
        not delivered yet: records 1 to 3\n";
    assert!(empty.stdout.ends_with(nothing), "{empty:?}");
    let all = [&away, &unknown];
    assert_eq!(all.map(|it| it.code), [Some(2); 2], "{all:?}");
    assert_eq!(all.map(|it| &*it.stdout), [""; 2]);
    assert!(
        away.stderr.contains("sink \"central\": NATS is away"),
        "{away:?}"
    );
    let name =
        "--against: found \"other\"; accepted: a sink of the kind nats or postgres: central\n";
    assert!(unknown.stderr.contains(name), "{unknown:?}");
}

/// What is told where the journal has some lines and a stream others.
async fn in_stream(
    journal: JournalId,
    ours: &[String],
    theirs: &[String],
    acknowledged: u64,
) -> (Option<i32>, Value) {
    let server = NatsServer::start().await;
    let site = Site::new().await;
    with_nats(&site, &server);
    server.sink().establish().await.unwrap();
    publish(&server.operator().await, journal, theirs).await;
    write(&site, &journal.to_string(), ours);
    acknowledge(&site, acknowledged, ours);
    told(&site).await
}

/// Goes on behind some records with another outcome up to record 40, chained as it should be.
fn rewritten(journal: JournalId, kept: &[Line]) -> Vec<Line> {
    let mut lines = kept.to_vec();
    for seq in 20..=40 {
        let prev = lines.last().map_or(LineHash::NONE, |line| line.hash);
        lines.push(record(journal, seq, prev, "forged"));
    }
    lines
}

fn with_nats(site: &Site, server: &NatsServer) {
    let address = server.address();
    site.edit(
        "audit:",
        &format!("cluster: {{nats: {{url: \"nats://{address}\", replicas: 1}}}}\naudit:"),
    );
    site.edit("/audit}", "/audit, sinks: [{name: central, kind: nats}]}");
}

fn with_postgres(site: &Site, server: &Server) {
    let url = site.path("postgres-url");
    let mut file = fs::OpenOptions::new();
    let file = file.create(true).write(true).mode(0o600).open(&url);
    std::io::Write::write_all(&mut file.unwrap(), server.url().as_bytes()).unwrap();
    let url = url.display();
    let sink =
        format!("/audit, sinks: [{{name: central, kind: postgres, url: {{file: {url}}}}}]}}");
    site.edit("/audit}", &sink);
}

async fn publish(operator: &jetstream::Context, journal: JournalId, lines: &[String]) {
    for line in lines {
        let subject = format!("partner_gateway.audit.{journal}");
        let sent = operator.publish(subject, line.clone().into()).await;
        sent.unwrap().await.unwrap();
    }
}

fn write(site: &Site, journal: &str, lines: &[String]) {
    let dir = site.path("audit");
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("journal.id"), format!("{journal}\n")).unwrap();
    let segment = dir.join("journal-00000000000000000001.jsonl");
    fs::write(segment, format!("{}\n", lines.join("\n"))).unwrap();
}

fn acknowledge(site: &Site, seq: u64, lines: &[String]) {
    let last = usize::try_from(seq).unwrap().checked_sub(1);
    if let Some(last) = last {
        let hash = LineHash::of(lines[last].as_bytes());
        let cursor = Cursor::at(seq, hash, SystemTime::UNIX_EPOCH);
        cursor
            .write(Path::new(&site.path("audit")), "central")
            .unwrap();
    }
}

async fn verify(site: &Site, arguments: &[&str]) -> Ended {
    let config = site.config().display().to_string();
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "verify", "--config", &config])
        .args(arguments);
    Process::spawn(&mut program).ended().await
}

async fn against(site: &Site, arguments: &[&str]) -> Ended {
    verify(site, &[&["--against", "central"], arguments].concat()).await
}

/// The exit code, and what programs are told of the sink.
async fn told(site: &Site) -> (Option<i32>, Value) {
    let verified = against(site, &["--json"]).await;
    let told = serde_json::from_str::<Value>(&verified.stdout);
    let told = told.unwrap_or_else(|_| panic!("{verified:?}"));
    (verified.code, told["against"].clone())
}

/// The kinds of differences with their ranges.
fn found(told: &Value) -> Vec<Value> {
    let all = told["differences"].as_array().unwrap().iter();
    all.map(|it| json!([it["kind"], it["range"]["from"], it["range"]["upto"]]))
        .collect()
}

fn span(range: &Value) -> Value {
    match range {
        Value::Null => Value::Null,
        range => json!([range["from"], range["upto"]]),
    }
}
