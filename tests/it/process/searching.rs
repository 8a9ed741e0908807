//! What `audit query` and `audit tail` say and how they exit, and how `tail --follow` goes on.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use super::site::{PROGRAM, Site};
use crate::{
    harness::{
        TRANSFER,
        process::{Ended, Process, within},
    },
    searching::written::{CUSTOMERS, append, journal, line, segment},
};

#[tokio::test]
async fn finds_records_in_the_journal_of_a_gateway_that_runs() {
    let site = Site::new().await;
    let gateway = site.start().await;
    let answer = gateway.reject(TRANSFER).await;
    let config = site.config().display().to_string();

    let found = audit(&["query", "--config", &config, "--audit-id", &answer.audit_id]).await;
    let json = audit(&[
        "query",
        "--config",
        &config,
        "--transfer",
        TRANSFER,
        "--json",
    ])
    .await;

    assert_eq!((found.code, json.code), (Some(0), Some(0)), "{found:?}");
    let words: Vec<&str> = found.stdout.trim_end().split("  ").collect();
    assert_eq!(
        words[2..6],
        [
            "outcome",
            &format!("{}/forwarded", answer.status),
            "billing",
            "transfers.reject"
        ]
    );
    assert_eq!(words[8], answer.audit_id);
    let mut lines: Vec<&str> = json.stdout.lines().collect();
    lines.reverse();
    let text: String = site.journal_text();
    let expected: Vec<&str> = text
        .lines()
        .filter(|line| line.contains(TRANSFER))
        .collect();
    assert_eq!(lines, expected, "the bytes of the journal");
    assert!(
        !site.path("audit").join("index").exists(),
        "nothing is left"
    );
}

#[tokio::test]
async fn bounds_what_it_finds_and_says_how_it_went() {
    let dir = journal(300, &[1, 151]);
    let path = dir.path().display().to_string();
    let empty = tempfile::tempdir().unwrap();
    let nothing = empty.path().display().to_string();

    let usual = audit(&["query", "--dir", &path]).await;
    let three = audit(&["query", "--dir", &path, "--limit", "3", "--status", "403"]).await;
    let all = audit(&["query", "--dir", &path, "--all", "--customer", CUSTOMERS[0]]).await;
    let none = audit(&["query", "--dir", &path, "--principal", "nobody"]).await;

    assert_eq!(numbers(&usual), (201..=300).rev().collect::<Vec<u64>>());
    assert_eq!(numbers(&three), [298, 290, 282]);
    assert_eq!(numbers(&all).len(), 100);
    assert_eq!((none.code, &*none.stdout), (Some(0), ""));
    for (arguments, said) in [
        (vec!["query", "--dir", &nothing], "there is no segment"),
        (
            vec!["query", "--dir", "/nonexistent"],
            "reading \"/nonexistent\"",
        ),
        (vec!["query", "--dir", &path, "--status", "9"], "100 to 599"),
        (
            vec!["query", "--dir", &path, "--since", "today"],
            "RFC 3339",
        ),
        (
            vec!["query", "--dir", &path, "--all", "--limit", "3"],
            "cannot be used with",
        ),
        (vec!["query"], "--config"),
        (
            vec!["tail", "--dir", "/nonexistent"],
            "reading \"/nonexistent\"",
        ),
        (vec!["tail", "--dir", &nothing], "there is no segment"),
    ] {
        let refused = audit(&arguments).await;

        assert_eq!(
            (refused.code, &*refused.stdout),
            (Some(2), ""),
            "{refused:?}"
        );
        assert!(refused.stderr.contains(said), "{refused:?}");
    }
}

#[test]
fn ends_quietly_when_its_reader_has_seen_enough() {
    let dir = journal(4000, &[1]);
    let mut child = Command::new(PROGRAM)
        .env_clear()
        .args(["audit", "query", "--all", "--json", "--dir"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut some = [0; 10];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut some)
        .unwrap();

    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();

    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[tokio::test]
async fn tells_the_last_records_oldest_first() {
    let dir = journal(30, &[1, 26]);
    let path = dir.path().display().to_string();

    let usual = audit(&["tail", "--dir", &path]).await;
    let four = audit(&[
        "tail",
        "--dir",
        &path,
        "-n",
        "4",
        "--outcome",
        "refused",
        "--json",
    ])
    .await;

    assert_eq!(numbers(&usual), (21..=30).collect::<Vec<u64>>());
    let expected = [2, 10, 18, 26].map(|seq| line(seq) + "\n").concat();
    assert_eq!(four.stdout, expected);
}

#[tokio::test]
async fn follows_over_the_ends_of_segments_and_failed_writes() {
    let dir = journal(5, &[1]);
    let tail = follow(dir.path(), &["-n", "2"]);
    within(async || seen(&tail) == [4, 5]).await;

    append(dir.path(), 1, 6..=6);
    within(async || seen(&tail) == [4, 5, 6]).await;
    // Half a line is told once it is whole.
    let next = line(7) + "\n";
    let (half, rest) = next.split_at(200);
    write(dir.path(), 1, half);
    append(dir.path(), 7, 7..=8);
    within(async || seen(&tail) == [4, 5, 6, 7, 8]).await;
    write(dir.path(), 1, rest);
    fs::remove_file(segment(dir.path(), 1)).unwrap();
    append(dir.path(), 9, 9..=9);
    within(async || seen(&tail) == [4, 5, 6, 7, 8, 9]).await;

    tail.signal("TERM");
    tail.ended().await;
}

#[tokio::test]
async fn follows_into_a_segment_that_takes_the_place_of_another() {
    let dir = journal(5, &[1]);
    append(dir.path(), 6, 6..=7);
    let tail = follow(dir.path(), &["-n", "2"]);
    within(async || seen(&tail) == [6, 7]).await;

    // Nothing of it was ever acknowledged, so it is written anew, and is shorter at first.
    let next = dir.path().join("next");
    fs::write(&next, line(6) + "\n").unwrap();
    fs::rename(&next, segment(dir.path(), 6)).unwrap();
    within(async || seen(&tail) == [6, 7, 6]).await;
    append(dir.path(), 6, 7..=9);
    within(async || seen(&tail) == [6, 7, 6, 7, 8, 9]).await;

    tail.signal("TERM");
    tail.ended().await;
}

#[tokio::test]
async fn tells_a_terminal_nothing_that_it_would_obey() {
    let dir = tempfile::tempdir().unwrap();
    let foreign = line(1).replace("billing", "\\u001b[2Jred\\u009b");
    fs::write(segment(dir.path(), 1), foreign + "\n").unwrap();

    let found = audit(&["query", "--dir", &dir.path().display().to_string()]).await;

    assert!(
        found.stdout.contains(r"  \u{1b}[2Jred\u{9b}  "),
        "{found:?}"
    );
    assert_eq!(numbers(&found), [1]);
}

#[tokio::test]
async fn says_how_many_lines_are_no_records_and_where_the_first_stands() {
    let dir = journal(30, &[1, 11, 21]);
    let path = dir.path().display().to_string();
    let sound = audit(&["query", "--dir", &path]).await;
    // What failed writes have left behind the last record of a segment is no damage.
    write(dir.path(), 1, "{\"v\":1,\"half\n");
    write(dir.path(), 11, &format!("\n{}\n", line(21)));
    let void = audit(&["query", "--dir", &path]).await;
    spoil(dir.path(), 1, 5, "\0\0\0");
    spoil(dir.path(), 11, 20, &line(20).replacen('{', "", 1));
    spoil(
        dir.path(),
        21,
        24,
        &line(24).replace(r#""time":""#, r#""time": "#),
    );
    spoil(dir.path(), 21, 30, &"x".repeat(700_000));

    let query = audit(&["query", "--dir", &path]).await;
    let filtered = audit(&["query", "--dir", &path, "--customer", CUSTOMERS[0]]).await;
    let three = audit(&["query", "--dir", &path, "--limit", "3"]).await;
    let tail = audit(&["tail", "--dir", &path, "-n", "6"]).await;

    let said = |lines: &str, first: u64, seq: u64| {
        let before: usize = (first..seq).map(|seq| line(seq).len() + 1).sum();
        let segment = segment(dir.path(), first).display().to_string();
        format!(
            "partner-gateway: {lines} in {segment} at byte {before}; `partner-gateway audit verify --dir {path}` \
             tells more\n"
        )
    };
    let many =
        |count| format!("{count} lines are no records and were passed over, the first of them");
    let one = "1 line is no record and was passed over:";
    for untouched in [&sound, &void] {
        assert_eq!(numbers(untouched), (1..=30).rev().collect::<Vec<u64>>());
        assert_eq!(untouched.stderr, "");
    }
    let spoilt = [5, 20, 24, 30];
    let left = |seq: &u64| !spoilt.contains(seq);
    assert_eq!(
        numbers(&query),
        (1..=30).rev().filter(left).collect::<Vec<u64>>()
    );
    assert_eq!(query.stderr, said(&many(4), 1, 5));
    assert!(
        filtered.stderr.ends_with(&said(&many(3), 1, 5)),
        "{filtered:?}"
    );
    assert_eq!(
        (numbers(&three), &three.stderr),
        (vec![29, 28, 27], &said(one, 21, 30))
    );
    assert_eq!(
        (numbers(&tail), &tail.stderr),
        (vec![23, 25, 26, 27, 28, 29], &said(&many(2), 21, 24))
    );
}

#[tokio::test]
async fn says_of_lines_to_come_that_they_are_no_records() {
    let dir = journal(5, &[1]);
    let tail = follow(dir.path(), &["-n", "1"]);
    within(async || seen(&tail) == [5]).await;
    let path = segment(dir.path(), 1);
    let said = |offset: u64| {
        format!(
            "1 line is no record and was passed over: in {} at byte {offset}; ",
            path.display()
        )
    };

    let first = fs::metadata(&path).unwrap().len();
    write(dir.path(), 1, "rubbish\n");
    within(async || tail.stderr().contains(&said(first))).await;
    append(dir.path(), 1, 6..=6);
    within(async || seen(&tail) == [5, 6]).await;
    // Longer than any record, and its end comes later.
    let second = fs::metadata(&path).unwrap().len();
    write(dir.path(), 1, &"x".repeat(200_000));
    within(async || tail.stderr().contains(&said(second))).await;
    write(dir.path(), 1, "x\n");
    append(dir.path(), 1, 7..=7);
    within(async || seen(&tail) == [5, 6, 7]).await;

    tail.signal("TERM");
    let ended = tail.ended().await;
    assert_eq!(ended.stderr.lines().count(), 2, "{ended:?}");
}

#[tokio::test]
async fn follows_over_restarts_of_the_gateway() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let audit_dir = site.path("audit");
    let tail = follow(&audit_dir, &["-n", "1000", "--json"]);

    gateway.process.signal("KILL");
    gateway.process.ended().await;
    let gateway = site.start().await;
    let last = gateway.reject(TRANSFER).await;

    within(async || tail.stdout().contains(&last.audit_id)).await;
    gateway.process.signal("TERM");
    gateway.process.ended().await;
    let text = site.journal_text();
    within(async || tail.stdout() == text).await;
    tail.signal("TERM");
    tail.ended().await;
}

fn follow(dir: &Path, arguments: &[&str]) -> Process {
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "tail", "--follow", "--dir"]);
    Process::spawn(program.arg(dir).args(arguments))
}

fn write(dir: &Path, first: u64, text: &str) {
    let mut options = fs::OpenOptions::new();
    let file = options.append(true).open(segment(dir, first));
    std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
}

/// Puts another line in the place of a record.
fn spoil(dir: &Path, first: u64, seq: u64, other: &str) {
    let path = segment(dir, first);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(path, text.replacen(&line(seq), other, 1)).unwrap();
}

async fn audit(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program.env_clear().arg("audit").args(arguments);
    Process::spawn(&mut program).ended().await
}

fn seen(tail: &Process) -> Vec<u64> {
    seqs(&tail.stdout())
}

fn numbers(ended: &Ended) -> Vec<u64> {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    seqs(&ended.stdout)
}

fn seqs(told: &str) -> Vec<u64> {
    let number = |line: &str| line.split("  ").nth(1).unwrap().parse().unwrap();
    told.lines().map(number).collect()
}
