//! What `audit verify --all` says of gateways that witness each other's journals over a real server.

use std::{fs, path::Path, process::Command};

use async_nats::jetstream;
use serde_json::{Value, json};

use super::site::{PROGRAM, Running, Site};
use crate::harness::{
    TRANSFER,
    journal::segments,
    nats::{NatsServer, STREAM, content, content_of, shaped},
    process::{Ended, Process, within},
};

#[tokio::test]
async fn names_a_journal_that_is_gone_and_how_far_it_went() {
    let server = NatsServer::start().await;
    let [one, two, three, auditor] = sites(&server, SINK).await;
    let gone = one.start().await;
    for _ in 0..3 {
        gone.reject(TRANSFER).await;
    }
    let operator = server.operator().await;
    within(async || has_signed_after_the_calls(&operator, &one).await).await;
    let (second, third) = (two.start().await, three.start().await);
    within(async || has_witnessed(&two, &one) && has_witnessed(&three, &one)).await;
    gone.process.signal("KILL");
    gone.process.ended().await;
    for gateway in [second, third] {
        stop(gateway).await;
    }

    let whole = told(&["--against", "central"], &[], &auditor).await;
    let id = journal_of(&one);
    delete_centrally(&operator, &id).await;
    let lacking = told(&["--against", "central"], &[], &auditor).await;
    let text = verify(&["--against", "central"], &[], &auditor).await;
    let dirs = told(&[], &[&one, &two, &three], &auditor).await;
    let two_dirs = told(&[], &[&two, &three], &auditor).await;

    assert_eq!(
        (whole.0, &whole.1["missing"]),
        (Some(0), &json!([])),
        "{whole:?}"
    );
    assert_eq!(whole.1["journals"].as_array().unwrap().len(), 3);
    let seen = witnesses(&two, &one).pop().unwrap();
    let mut by = [journal_of(&two), journal_of(&three)];
    by.sort();
    for (code, said) in [&lacking, &two_dirs] {
        assert_eq!(*code, Some(1), "{said}");
        let missing = &said["missing"][0];
        assert_eq!(missing["journal"], id);
        assert_eq!(missing["upto"], seen["upto"]);
        assert_eq!(missing["time"], seen["time"]);
        assert_eq!(missing["witnessed_by"], json!(by));
        assert_eq!(said["differences"], json!([]));
    }
    let line = format!(
        "\nmissing: journal {id} is known from the witness records of {}, {}, last seen with {} records at {}, and not \
         given\nmend: ",
        by[0],
        by[1],
        seen["upto"],
        seen["time"].as_str().unwrap()
    );
    assert_eq!(text.code, Some(1));
    assert!(text.stdout.contains(&line), "{}\n{line}", text.stdout);
    assert_eq!(dirs.0, Some(0), "{dirs:?}");
    assert!(dirs.1["witnessed_same"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn finds_a_history_that_was_written_anew_with_the_gateways_own_key() {
    let server = NatsServer::start().await;
    let [one, two, auditor] = sites(&server, "").await;
    let before = one.start().await;
    before.reject(TRANSFER).await;
    let operator = server.operator().await;
    within(async || has_signed_after_the_calls(&operator, &one).await).await;
    let witness = two.start().await;
    within(async || has_witnessed(&two, &one)).await;
    stop(before).await;
    stop(witness).await;
    let honest = told(&[], &[&one, &two], &auditor).await;
    let audit = one.path("audit");
    for segment in segments(&audit) {
        fs::remove_file(segment).unwrap();
    }
    fs::remove_file(audit.join("checkpoint.json")).unwrap();
    without_cluster(&one, &server);

    let rewriting = one.start().await;
    for _ in 0..9 {
        rewriting.reject(TRANSFER).await;
    }
    stop(rewriting).await;
    let alone = told(&[], &[&one], &auditor).await;
    let both = told(&[], &[&one, &two], &auditor).await;

    assert_eq!(honest.0, Some(0), "{honest:?}");
    assert_eq!(
        (alone.0, &alone.1["journals"][0]["intact"]),
        (Some(0), &json!(true))
    );
    let seen = witnesses(&two, &one).remove(0);
    let difference = &both.1["differences"][0];
    assert_eq!(
        (both.0, &difference["kind"]),
        (Some(1), &json!("other_line")),
        "{both:?}"
    );
    assert_eq!(difference["journal"], journal_of(&one));
    assert_eq!(difference["witnessed_by"], journal_of(&two));
    assert_eq!(difference["upto"], seen["upto"]);
    assert_eq!(both.1["missing"], json!([]));
}

#[tokio::test]
async fn finds_a_journal_that_ends_before_what_was_witnessed() {
    let server = NatsServer::start().await;
    let [one, two, auditor] = sites(&server, "").await;
    let gateway = one.start().await;
    gateway.reject(TRANSFER).await;
    let operator = server.operator().await;
    within(async || has_signed_after_the_calls(&operator, &one).await).await;
    let witness = two.start().await;
    within(async || has_witnessed(&two, &one)).await;
    stop(gateway).await;
    stop(witness).await;
    let audit = one.path("audit");
    let segment = segments(&audit).remove(0);
    let text = fs::read_to_string(&segment).unwrap();
    let first: Vec<_> = text.lines().take(2).collect();
    fs::write(&segment, format!("{}\n", first.join("\n"))).unwrap();
    fs::remove_file(audit.join("checkpoint.json")).unwrap();

    let (code, said) = told(&[], &[&one, &two], &auditor).await;

    let seen = witnesses(&two, &one).remove(0);
    let difference = &said["differences"][0];
    assert_eq!(
        (code, &said["journals"][0]["intact"]),
        (Some(1), &json!(true)),
        "{said}"
    );
    assert_eq!(
        (&difference["kind"], &difference["upto"]),
        (&json!("short"), &seen["upto"])
    );
    let what = format!(
        "journal {} ends with record 2, and record ",
        journal_of(&one)
    );
    assert!(
        difference["what"].as_str().unwrap().starts_with(&what),
        "{said}"
    );
}

#[tokio::test]
async fn finds_a_directory_that_was_copied_under_another_gateway() {
    let server = NatsServer::start().await;
    let [one, copy, three, auditor] = sites(&server, "").await;
    let gateway = one.start().await;
    gateway.reject(TRANSFER).await;
    stop(gateway).await;
    copy_dir(&one.path("audit"), &copy.path("audit"));
    let mere = told(&[], &[&one, &copy], &auditor).await;
    let same = format!("{}/../audit", one.path("audit").display());
    let again = told(&["--dir", &same], &[&one], &auditor).await;

    let both = [one.start().await, copy.start().await];
    for gateway in &both {
        gateway.reject(TRANSFER).await;
    }
    let operator = server.operator().await;
    for site in [&one, &copy] {
        within(async || has_signed_after_the_calls(&operator, site).await).await;
    }
    let third = three.start().await;
    within(async || {
        witnesses_of(&three)
            .iter()
            .any(|it| it["contradicts"].is_object())
    })
    .await;
    for gateway in both.into_iter().chain([third]) {
        stop(gateway).await;
    }
    let (code, said) = told(&[], &[&one, &copy], &auditor).await;

    assert_eq!((again.0, &again.1["twice"]), (Some(0), &json!([])));
    assert_eq!(
        (mere.0, &mere.1["twice"][0]["apart_after"]),
        (Some(1), &Value::Null)
    );
    let twice = &said["twice"][0];
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(twice["journal"], journal_of(&one));
    assert_eq!(
        twice["dirs"],
        json!([one.path("audit"), copy.path("audit")])
    );
    let common = mere.1["journals"][0]["signed_upto"].as_u64().unwrap();
    assert_eq!(twice["apart_after"], common, "{said}");
    let (code, said) = told(&[], &[&one, &three], &auditor).await;
    let differences = said["differences"].as_array().unwrap().iter();
    let kinds: Vec<_> = differences.map(|it| &it["kind"]).collect();
    assert_eq!(code, Some(1));
    assert!(kinds.contains(&&json!("contradicted")), "{said}");
}

#[tokio::test]
async fn takes_the_key_of_each_gateway() {
    let server = NatsServer::start().await;
    let [one, two, auditor] = sites(&server, SINK).await;
    let mut keys = Vec::new();
    for site in [&one, &two] {
        let gateway = site.start().await;
        gateway.reject(TRANSFER).await;
        stop(gateway).await;
        let mut program = Command::new(PROGRAM);
        let program = program
            .env_clear()
            .args(["audit", "key", "--config"])
            .arg(site.config());
        let key = site.path("key.pub");
        fs::write(&key, Process::spawn(program).ended().await.stdout).unwrap();
        keys.push(key.display().to_string());
    }

    let mut said = Vec::new();
    for arguments in [
        vec!["--key", &keys[1], "--key", &keys[0]],
        vec!["--key", &keys[0]],
        vec![],
    ] {
        let against = [&["--against", "central"], &*arguments].concat();
        let in_sink = told(&against, &[], &auditor).await;
        let in_dirs = told(&arguments, &[&one, &two], &auditor).await;
        said.extend([in_sink, in_dirs]);
    }

    let codes: Vec<_> = said.iter().map(|(code, _)| code.unwrap()).collect();
    assert_eq!(codes, [0, 0, 1, 1, 0, 0], "{said:#?}");
    for (_, said) in &said[..2] {
        let journals = said["journals"].as_array().unwrap();
        assert!(
            journals.iter().all(|it| it["signed_upto"].is_u64()),
            "{said}"
        );
    }
    let several =
        Process::spawn(Command::new(PROGRAM).args(["audit", "verify", "--dir", "a", "--dir", "b"]));
    let several = several.ended().await;
    assert_eq!(several.code, Some(2));
    let why = "partner-gateway: several journals are verified with --all\nnothing was verified\n";
    assert_eq!(several.stderr, why);
}

/// Gateways of one cluster, the last of which nobody starts.
async fn sites<const N: usize>(server: &NatsServer, sinks: &str) -> [Site; N] {
    let mut sites = Vec::new();
    for _ in 0..N {
        let site = Site::new().await;
        site.edit("audit:", &format!("{}audit:", cluster(server)));
        site.edit(
            "/audit}",
            &format!("/audit, checkpoint_interval: 1s{sinks}}}"),
        );
        sites.push(site);
    }
    sites.try_into().unwrap_or_else(|_| unreachable!())
}

/// Loses the stream, and restores it without a journal.
async fn delete_centrally(operator: &jetstream::Context, journal: &str) {
    let all = content(operator).await;
    operator.delete_stream(STREAM).await.unwrap();
    operator.create_stream(shaped(|_| {})).await.unwrap();
    for line in all {
        let of = parsed(&line)["journal"].as_str().unwrap().to_owned();
        if of != journal {
            let subject = format!("partner_gateway.audit.{of}");
            let sent = operator.publish(subject, line.into()).await;
            sent.unwrap().await.unwrap();
        }
    }
}

fn without_cluster(site: &Site, server: &NatsServer) {
    site.edit(&cluster(server), "");
}

fn cluster(server: &NatsServer) -> String {
    format!(
        "cluster: {{nats: {{url: \"nats://{}\", replicas: 1}}}}\n",
        server.address()
    )
}

async fn stop(gateway: Running) {
    gateway.process.signal("TERM");
    let ended = gateway.process.ended().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

/// Whether a checkpoint over the last outcome of the journal was published and, with a sink, delivered.
async fn has_signed_after_the_calls(operator: &jetstream::Context, site: &Site) -> bool {
    let text = site.journal_text();
    let lines = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    let lines: Vec<_> = lines.map(parsed).collect();
    let last = lines
        .iter()
        .rfind(|line| line["kind"] == "outcome")
        .unwrap();
    let over = |line: &Value| {
        line["kind"] == "checkpoint"
            && line["boot"] == last["boot"]
            && line["upto"].as_u64() >= last["seq"].as_u64()
    };
    let published = content_of(operator, &format!("{STREAM}_CHECKPOINTS")).await;
    let delivered = content(operator).await;
    let is_there = |all: &[String]| all.iter().map(|line| parsed(line)).any(|line| over(&line));
    is_there(&published) && (delivered.is_empty() || is_there(&delivered))
}

fn has_witnessed(by: &Site, of: &Site) -> bool {
    !witnesses(by, of).is_empty()
}

/// What a gateway has witnessed of another.
fn witnesses(by: &Site, of: &Site) -> Vec<Value> {
    let journal = journal_of(of);
    let all = witnesses_of(by)
        .into_iter()
        .map(|line| line["witnessed"].clone());
    all.filter(|seen| seen["journal"] == journal).collect()
}

fn witnesses_of(by: &Site) -> Vec<Value> {
    let text = by.journal_text();
    let whole = text
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'));
    whole
        .map(parsed)
        .filter(|line| line["kind"] == "witness")
        .collect()
}

fn journal_of(site: &Site) -> String {
    let id = fs::read_to_string(site.path("audit").join("journal.id")).unwrap();
    id.trim().to_owned()
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// The exit code, and what programs are told.
async fn told(arguments: &[&str], dirs: &[&Site], auditor: &Site) -> (Option<i32>, Value) {
    let verified = verify(&[arguments, &["--json"]].concat(), dirs, auditor).await;
    let told = serde_json::from_str(&verified.stdout);
    let told = told.unwrap_or_else(|_| panic!("{verified:?}"));
    (verified.code, told)
}

/// Runs it on directories, or where there are none on the auditor's configuration.
async fn verify(arguments: &[&str], dirs: &[&Site], auditor: &Site) -> Ended {
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "verify", "--all"])
        .args(arguments);
    for site in dirs {
        program.arg("--dir").arg(site.path("audit"));
    }
    if dirs.is_empty() {
        program.arg("--config").arg(auditor.config());
    }
    Process::spawn(&mut program).ended().await
}

fn parsed(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

const SINK: &str = ", sinks: [{name: central, kind: nats}]";
