//! A disk that was restored from a snapshot while a sink went on: the journal ends, and another one begins.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use sandbox::{Fault, Target, Turn};
use serde_json::{Value, json};

use super::{
    patches,
    site::{PROGRAM, Running, Site, private},
};
use crate::harness::{
    BILLING, TRANSFER,
    journal::{segments, sha256},
    nats::{NatsServer, content},
    postgres::Server,
    process::{Ended, Process, within},
    served::{converse, until},
};

#[tokio::test]
async fn ends_a_journal_that_was_restored_from_a_snapshot_and_closes_its_calls_in_the_next() {
    let server = NatsServer::start().await;
    let site = Site::new().await;
    with_nats(&site, &server);
    let before = go_on_behind_a_snapshot(&site).await;
    let (old, end) = head(&site.path("snapshot"));
    restore(&site);
    let refused = site.path("audit/refused/of-a-sink");
    fs::create_dir_all(&refused).unwrap();
    let untouched = files(&site.path("audit"));

    let gateway = site.start().await;
    within(async || closed(&site) == 1).await;
    gateway.reject(TRANSFER).await;
    let ended = stopped(gateway).await;

    let kept = site.path("audit").join("ended").join(&old);
    assert_eq!(of_journal(&files(&kept)), of_journal(&untouched));
    // What sinks refused can be sent again from where it was.
    assert!(refused.exists());
    let journal = site.journal();
    let records = journal.records();
    let sink_seq = before.lines().count();
    names_both_heads(&records[0], &old, &end, &before);
    let open = untouched_text(&untouched);
    let open = open
        .lines()
        .map(|it| serde_json::from_str::<Value>(it).unwrap());
    let intent = open.rev().find(|it| it["kind"] == "intent").unwrap();
    let closing = journal.of_kind("outcome").remove(0);
    assert_eq!(
        (&closing["call"], closing.get("status")),
        (&intent["call"], None)
    );
    assert_eq!(
        (&closing["outcome"], &closing["forwarded"]),
        (&json!("reconciled"), &json!("yes"))
    );
    let stream = content(&server.operator().await).await.join("\n") + "\n";
    assert_eq!(stream, before + &site.journal_text());
    assert!(
        ended
            .stderr
            .contains("so the disk was restored from a snapshot")
    );
    for file in fs::read_dir(site.path("audit/cursors")).unwrap() {
        let cursor: Value =
            serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
        assert_eq!(cursor["seq"], records.len());
    }

    tells_of_both(
        &site,
        &old,
        records.len(),
        sink_seq,
        usize::try_from(end.0).unwrap(),
    )
    .await;
}

fn names_both_heads(first: &Value, old: &str, end: &(u64, String), before: &str) {
    let sink_end = before.lines().last().unwrap();
    let sink_seq = before.lines().count();
    let forked = &first["forked_from"];
    assert_ne!(first["journal"], old);
    assert_eq!(
        (&first["kind"], &first["seq"]),
        (&json!("started"), &json!(1))
    );
    assert_eq!(
        (&forked["journal"], &forked["seq"], &forked["head"]),
        (&json!(old), &json!(end.0), &json!(end.1))
    );
    assert_eq!(
        (&forked["sink"], &forked["sink_seq"], &forked["sink_head"]),
        (
            &json!("central"),
            &json!(sink_seq),
            &json!(sha256(sink_end))
        )
    );
    assert_eq!(forked["kept"], format!("ended/{old}"));
}

/// Makes calls, takes a snapshot while one of them is open, makes more, and returns all lines of the journal.
async fn go_on_behind_a_snapshot(site: &Site) -> String {
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let slow = Turn::of(Fault::Delay { ms: 1_500 });
    site.sandbox.push_turn(Target::PartnerCenter, slow);
    let snapshot = async {
        until(|| patches(site).len() == 2).await;
        copy(&site.path("audit"), &site.path("snapshot"));
    };
    let (_, ()) = tokio::join!(gateway.reject(TRANSFER), snapshot);
    gateway.reject(TRANSFER).await;
    assert_eq!(stopped(gateway).await.code, Some(0));
    site.journal_text()
}

/// What the commands say of the journal that goes on and of the one that ended.
async fn tells_of_both(site: &Site, old: &str, records: usize, sink_seq: usize, end: usize) {
    let (dir, kept) = (site.path("audit"), site.path("audit/ended").join(old));
    let (config, kept) = (
        site.config().display().to_string(),
        kept.display().to_string(),
    );

    let new = "verify --json --against central --config".split(' ');
    let new = audit(&new.chain([&*config]).collect::<Vec<_>>()).await;
    let people = audit(&["verify", "--config", &config]).await;
    let alone = audit(&["verify", "--json", "--dir", &kept]).await;
    let former = [
        "--config",
        &*config,
        "--dir",
        &*kept,
        "--against",
        "central",
    ];
    let former = audit(&[&["verify", "--json"], &former[..]].concat()).await;
    let evidence = audit(&["evidence", "--dir", &kept, "--transfer", TRANSFER]).await;
    let query = audit(&["query", "--dir", &dir.display().to_string(), "--limit", "1"]).await;
    let of_former = audit(&["query", "--dir", &kept, "--all", "--json"]).await;

    reads_each(&config, old, [end, sink_seq]).await;
    let said = json(&new);
    assert_eq!(
        (new.code, &said["records"], &said["ended"]),
        (Some(0), &json!(records), &json!([kept]))
    );
    let others = &said["against"]["other_journals"];
    assert_eq!(others, &json!([{ "journal": old, "records": sink_seq }]));
    let line = format!(
        "ended before: a journal in {kept}, which is not verified here; give it by --dir\n"
    );
    assert!(people.stdout.contains(&line), "{people:?}");
    assert_eq!(
        (alone.code, &json(&alone)["key_from"]),
        (Some(0), &json!("signing.key")),
        "{alone:?}"
    );
    let difference = &json(&former)["against"]["differences"][0];
    assert_eq!(former.code, Some(1), "{former:?}");
    assert_eq!(
        (&difference["kind"], &difference["range"]),
        (
            &json!("not_in_journal"),
            &json!({ "from": end + 1, "upto": sink_seq })
        )
    );
    assert_eq!(evidence.code, Some(0), "{evidence:?}");
    let line = format!("an earlier journal ended in {kept}; it was not looked at, --dir does\n");
    assert!(query.stderr.contains(&line), "{query:?}");
    assert_eq!(of_former.stdout.lines().count(), end);
}

/// What the disk has of the journal that ended, and what the sink has, are verified each by itself.
async fn reads_each(config: &str, old: &str, records: [usize; 2]) {
    let all = "verify --all --json --against central --config".split(' ');
    let all = audit(&all.chain([config]).collect::<Vec<_>>()).await;
    let told = json(&all)["journals"].as_array().unwrap().clone();
    let of_old = told.iter().filter(|it| it["journal"] == old);
    let found: Vec<_> = of_old.map(|it| &it["records"]).collect();
    assert_eq!((all.code, json!(found)), (Some(0), json!(records)));
}

#[tokio::test]
async fn ends_a_journal_where_the_table_has_other_lines_than_the_disk_and_tells_what_it_lacks() {
    let mut server = Server::start(&[]).await;
    let site = Site::new().await;
    let url = site.path("postgres-url");
    private(&url, &server.url());
    let sink = format!(
        "/audit, sinks: [{{name: table, kind: postgres, url: {{file: {}}}}}]}}",
        url.display()
    );
    site.edit("/audit}", &sink);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    assert_eq!(stopped(gateway).await.code, Some(0));
    copy(&site.path("audit"), &site.path("snapshot"));
    let gateway = site.start().await;
    assert_eq!(stopped(gateway).await.code, Some(0));
    let before = site.journal_text();
    restore(&site);

    // Away at the start, so that the journal goes on from the snapshot; it comes back before it is asked.
    server.kill();
    let gateway = site.start().await;
    for _ in 0..3 {
        gateway.reject(TRANSFER).await;
    }
    server.restart().await;
    within(async || gateway.process.stderr().contains("restart the gateway")).await;
    let held = stopped(gateway).await;
    let (old, end) = head(&site.path("audit"));
    let acknowledged = acknowledged(&site, "table");
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let get = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let page = converse(gateway.admin, get).await;
    assert_eq!(stopped(gateway).await.code, Some(0));

    let told = "audit sink does not tell at the start how far it has the journal";
    assert!(held.stderr.contains(told), "{}", held.stderr);
    let records = site.journal().records();
    let forked = &records[0]["forked_from"];
    assert_eq!(
        (&forked["journal"], &forked["seq"]),
        (&json!(old), &json!(end.0))
    );
    assert_eq!(forked["sink_seq"], before.lines().count());
    let lacks = json!([{ "sink": "table", "from": acknowledged + 1, "upto": end.0 }]);
    assert_eq!(forked["unacknowledged"], lacks);
    let auditor = server.auditor().await;
    let table = auditor.lines().await.join("\n") + "\n";
    let (mut table, mut both) = (lines(&table), lines(&(before + &site.journal_text())));
    table.sort();
    both.sort();
    assert_eq!(table, both);
    assert!(
        page.contains("partner_gateway_audit_sink_held{kind=\"postgres\",sink=\"table\"} 0"),
        "{page}"
    );
}

#[tokio::test]
async fn waits_for_no_sink_that_is_silent_at_the_start() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let site = Site::new().await;
    let gateway = site.start().await;
    assert_eq!(stopped(gateway).await.code, Some(0));
    let url = format!("nats://{}", silent.local_addr().unwrap());
    site.edit(
        "audit:",
        &format!("cluster: {{nats: {{url: \"{url}\", replicas: 1}}}}\naudit:"),
    );
    site.edit("/audit}", "/audit, sinks: [{name: central, kind: nats}]}");

    let gateway = site.start().await;
    let answer = gateway.call(TRANSFER, BILLING).await.unwrap();
    let log = gateway.process.stderr();

    assert_eq!(answer.status, 200);
    assert!(
        log.contains("audit sink does not tell at the start"),
        "{log}"
    );
    assert_eq!(site.journal().of_kind("started").len(), 2);
}

#[tokio::test]
async fn says_nothing_of_a_journal_over_which_a_start_was_killed() {
    let site = Site::new().await;
    assert_eq!(stopped(site.start().await).await.code, Some(0));
    let dir = site.path("audit").display().to_string();
    fs::write(site.path("audit/ending.json"), "{}").unwrap();

    for command in ["verify", "query", "tail", "reconcile"] {
        let told = audit(&[command, "--dir", &dir]).await;

        assert_eq!((told.code, &*told.stdout), (Some(2), ""), "{told:?}");
        let why = "a start was interrupted while it ended the journal in";
        assert!(told.stderr.contains(why), "{told:?}");
    }
    let refused = site.spawn("serve").ended().await;
    assert_eq!(refused.code, Some(1));
    let why = "does not hold how the journal before this one was ended";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
}

pub(super) fn with_nats(site: &Site, server: &NatsServer) {
    let address = server.address();
    let cluster = format!("cluster: {{nats: {{url: \"nats://{address}\", replicas: 1}}}}\naudit:");
    site.edit("audit:", &cluster);
    site.edit("/audit}", "/audit, sinks: [{name: central, kind: nats}]}");
}

pub(super) async fn stopped(gateway: Running) -> Ended {
    gateway.process.signal("TERM");
    gateway.process.ended().await
}

/// How many outcomes stand there that nobody was answered with.
fn closed(site: &Site) -> usize {
    let outcomes = site.journal().of_kind("outcome").into_iter();
    outcomes.filter(|it| it.get("status").is_none()).count()
}

fn acknowledged(site: &Site, sink: &str) -> u64 {
    let text = fs::read(site.path("audit/cursors").join(format!("{sink}.json"))).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["seq"]
        .as_u64()
        .unwrap()
}

/// The journal in a directory, and number and hash of its last line.
fn head(dir: &Path) -> (String, (u64, String)) {
    let id = fs::read_to_string(dir.join("journal.id")).unwrap();
    let last = segments(dir).pop().unwrap();
    let text = fs::read_to_string(last).unwrap();
    let line = text.lines().last().unwrap();
    let record: Value = serde_json::from_str(line).unwrap();
    (
        id.trim().to_owned(),
        (record["seq"].as_u64().unwrap(), sha256(line)),
    )
}

/// Puts the snapshot in the place of what is there.
fn restore(site: &Site) {
    fs::remove_dir_all(site.path("audit")).unwrap();
    copy(&site.path("snapshot"), &site.path("audit"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            // Of a gateway that runs, a file that it was just writing may have got its name meanwhile.
            match fs::copy(&path, to) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                copied => drop(copied.unwrap()),
            }
        }
    }
}

/// What lies below a directory, by its name.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            let inside = files(&path).into_iter();
            found.extend(inside.map(|(inner, text)| (format!("{name}/{inner}"), text)));
        } else {
            found.insert(name, fs::read(&path).unwrap());
        }
    }
    found
}

/// Without what stays with the directory.
fn of_journal(files: &BTreeMap<String, Vec<u8>>) -> BTreeMap<String, Vec<u8>> {
    let mut files = files.clone();
    files.retain(|name, _| !["journal.lock", "signing.key"].contains(&&**name));
    files
}

fn untouched_text(files: &BTreeMap<String, Vec<u8>>) -> String {
    let segments = files
        .iter()
        .filter(|(name, _)| name.starts_with("journal-"));
    segments
        .map(|(_, text)| String::from_utf8(text.clone()).unwrap())
        .collect()
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

async fn audit(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program.env_clear().arg("audit").args(arguments);
    Process::spawn(&mut program).ended().await
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{ended:?}"))
}
