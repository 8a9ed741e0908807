//! What `audit reconcile` lists: the calls of which the journal does not say how they ended.

use std::{fs, path::Path, process::Command};

use sandbox::{Fault, Target};
use serde_json::{Value, json};

use super::{
    announces, patches,
    site::{PROGRAM, Site},
};
use crate::{
    harness::{
        BILLING, CUSTOMER, TRANSFER,
        journal::segments,
        process::{Ended, Process, within},
        served::until,
    },
    verifying::made::{Made, record},
};

#[tokio::test]
async fn lists_calls_in_doubt_and_calls_that_are_open() {
    let dir = journal(&DOUBTFUL).written();
    let path = text(dir.path());

    let people = reconcile(&["--dir", &path]).await;
    let program = reconcile(&["--dir", &path, "--json"]).await;

    assert_eq!([people.code, program.code], [Some(1); 2], "{people:?}");
    assert_eq!(
        people.stdout,
        TOLD.replace("DIR", &path).replace("CUSTOMER", CUSTOMER)
    );
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    assert_eq!(
        (&told["in_doubt"], &told["records"]),
        (&2.into(), &11.into())
    );
    let unknown = told["unknown"].as_array().unwrap();
    let calls: Vec<_> = unknown.iter().map(|it| &it["call"]["call"]).collect();
    assert_eq!(calls, ["b", "c", "gone"]);
    assert_eq!(unknown[0]["call"]["request_ids"], json!(["b1", "b2", "b3"]));
    assert_eq!(unknown[0]["sent"], json!(["b2", "b1"]));
    assert_eq!(unknown[1]["sent"], json!([]));
    let seen =
        json!({"seq": 10, "time": "2026-11-21T10:10:00.000000Z", "transfer_status": "Reject"});
    assert_eq!(unknown[0]["settled"], seen);
    assert_eq!(unknown[1]["settled"], Value::Null);
    let closed = &unknown[1]["closed"];
    assert_eq!(
        (&closed["status"], &closed["transfer_status"]),
        (&Value::Null, &"Active".into())
    );
    assert_eq!(told["open"][0]["call"], "d");
    assert_eq!(told["open"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn says_that_partner_center_is_asked_with_a_configuration_alone() {
    let dir = journal(&DOUBTFUL).written();

    let said = reconcile(&["--dir", &text(dir.path()), "--since", "7d"]).await;

    assert_eq!((said.code, &*said.stdout), (Some(2), ""));
    let why = "partner-gateway: --since needs --config, because Partner Center is asked through an account of it";
    assert!(said.stderr.starts_with(why), "{said:?}");
}

#[tokio::test]
async fn finds_nothing_where_every_call_has_ended_or_is_settled() {
    let ended = journal(&DOUBTFUL[..2]).written();
    let settled = [&DOUBTFUL[2..4], &DOUBTFUL[9..10]].concat();
    let settled = journal(&settled).written();
    let open = journal(&DOUBTFUL[..1]).written();

    let of_ended = reconcile(&["--dir", &text(ended.path())]).await;
    let of_settled = reconcile(&["--dir", &text(settled.path())]).await;
    let of_open = reconcile(&["--dir", &text(open.path())]).await;

    assert_eq!(
        (of_ended.code, of_settled.code),
        (Some(0), Some(0)),
        "{of_settled:?}"
    );
    assert!(
        of_settled.stdout.contains("\nsettled: call b, "),
        "{of_settled:?}"
    );
    assert_eq!(of_open.code, Some(1), "{of_open:?}");
}

#[tokio::test]
async fn changes_nothing_beside_a_gateway_that_runs() {
    let site = Site::new().await;
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let segment = segments(&site.path("audit")).remove(0);
    let before = fs::read(&segment).unwrap();
    let seen = site.sandbox.seen().len();

    let listed = reconcile(&["--config", &text(&site.config())]).await;

    assert_eq!((listed.code, &*listed.stderr), (Some(0), ""), "{listed:?}");
    assert!(
        listed
            .stdout
            .contains("\nin doubt: 0; in doubt and settled later: 0; open: 0\n")
    );
    assert_eq!(fs::read(&segment).unwrap(), before);
    assert_eq!(site.sandbox.seen().len(), seen, "nobody is asked");
    assert_eq!(gateway.reject(TRANSFER).await.status, 400, "it goes on");
}

#[tokio::test]
async fn lists_nothing_of_a_journal_that_is_not_intact_or_not_there() {
    let mut made = journal(&DOUBTFUL);
    made.line_mut(3)[30] ^= 1;
    let damaged = made.written();
    let absent = text(&damaged.path().join("absent"));

    let of_damaged = reconcile(&["--dir", &text(damaged.path())]).await;
    let of_absent = reconcile(&["--dir", &absent]).await;
    let unconfigured = reconcile(&["--config", &absent]).await;

    assert!(
        of_damaged.stderr.contains("the journal is not intact"),
        "{of_damaged:?}"
    );
    for said in [of_damaged, of_absent, unconfigured] {
        assert_eq!((said.code, &*said.stdout), (Some(2), ""), "{said:?}");
        assert!(!said.stderr.is_empty());
    }
}

#[tokio::test]
async fn lists_a_call_that_a_kill_left_open_until_the_next_start_has_closed_it() {
    let site = Site::new().await;
    let fault = Fault::CommitThenHang;
    site.sandbox.push_fault(Target::PartnerCenter, fault);
    let gateway = site.start().await;
    let killing = async {
        until(|| !patches(&site).is_empty()).await;
        gateway.process.signal("KILL");
    };
    let (answer, ()) = tokio::join!(gateway.call(TRANSFER, BILLING), killing);
    gateway.process.ended().await;
    let arguments = ["--config", &text(&site.config()), "--json"];

    let left = reconcile(&arguments).await;
    let again = site.start().await;
    let mut after = None;
    within(async || {
        after = Some(reconcile(&arguments).await);
        after.as_ref().is_some_and(|it| it.code == Some(0))
    })
    .await;

    assert!(answer.is_err(), "{answer:?}");
    assert_eq!(left.code, Some(1), "{left:?}");
    let told: Value = serde_json::from_str(&left.stdout).unwrap();
    assert_eq!(
        (&told["in_doubt"], &told["open"][0]["transfer"]),
        (&0.into(), &TRANSFER.into())
    );
    assert!(announces(&told["open"][0], &patches(&site)[0]), "{told}");
    drop(again);
}

/// A journal of records of these kinds, calls and further members.
fn journal(records: &[(&str, &str, &str)]) -> Made {
    let mut made = Made {
        files: vec![(1, Vec::new())],
    };
    for (seq, (kind, call, more)) in (1..).zip(records) {
        let of_call = format!(
            r#""call":"{call}","operation":"transfers.reject","customer":"{CUSTOMER}","principal":"billing","account":"contoso",{more}"#
        );
        let line = record(seq, kind, &of_call, &made.hash(seq - 1));
        made.files[0].1.push(line);
    }
    made
}

async fn reconcile(arguments: &[&str]) -> Ended {
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "reconcile"])
        .args(arguments);
    Process::spawn(&mut program).ended().await
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// One call that ended, one in doubt and settled by a later one, one closed late without an answer, one
/// whose intent is gone, and one that is open.
const DOUBTFUL: [(&str, &str, &str); 11] = [
    ("intent", "a", r#""transfer":"A","request_ids":["a1"],"#),
    (
        "outcome",
        "a",
        r#""transfer":"A","status":200,"forwarded":"yes","transfer_status":"Reject","#,
    ),
    (
        "intent",
        "b",
        r#""transfer":"B","request_ids":["b1","b2","b3"],"#,
    ),
    (
        "outcome",
        "b",
        r#""transfer":"B","status":504,"code":"upstream_timeout","forwarded":"unknown","attempts":[{"request_id":"b2"},{"request_id":"b1"}],"#,
    ),
    ("intent", "c", r#""transfer":"C","request_ids":["c1"],"#),
    (
        "intent",
        "d",
        r#""transfer":"D","request_ids":["d1","d2"],"#,
    ),
    (
        "outcome",
        "c",
        r#""transfer":"C","forwarded":"unknown","attempts":[{"request_id":"x1"}],"transfer_status":"Active","#,
    ),
    ("outcome", "gone", r#""status":504,"forwarded":"unknown","#),
    ("intent", "e", r#""transfer":"B","request_ids":["e1"],"#),
    (
        "outcome",
        "e",
        r#""transfer":"B","status":200,"forwarded":"yes","transfer_status":"Reject","#,
    ),
    (
        "outcome",
        "f",
        r#""transfer":"B","status":403,"forwarded":"no","#,
    ),
];

const TOLD: &str = "\
journal 0f8fad5b-d9cb-469f-a165-70867728950e in DIR: 11 records read
in doubt: 2; in doubt and settled later: 1; open: 1
settled: call b, 2026-11-21T10:03:00.000000Z, transfers.reject
  customer CUSTOMER, transfer B, account contoso, for billing
  request_ids sent, the first one first: b2 b1
  closed: record 4, 2026-11-21T10:04:00.000000Z, answered 504 upstream_timeout
  later: record 10, 2026-11-21T10:10:00.000000Z, the transfer is \"Reject\"
in doubt: call c, 2026-11-21T10:05:00.000000Z, transfers.reject
  customer CUSTOMER, transfer C, account contoso, for billing
  request_ids: c1
  closed: record 7, 2026-11-21T10:07:00.000000Z, after the call was left open, with nobody to answer, the transfer was \"Active\"
in doubt: call gone, 2026-11-21T10:08:00.000000Z, transfers.reject
  customer CUSTOMER, transfer -, account contoso, for billing
  request_ids: -
  closed: record 8, 2026-11-21T10:08:00.000000Z, answered 504
open: call d, 2026-11-21T10:06:00.000000Z, transfers.reject
  customer CUSTOMER, transfer D, account contoso, for billing
  request_ids, some of: d1 d2
";
