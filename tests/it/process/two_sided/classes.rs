//! Each class in which `audit reconcile --since` tells rejections, from journals that were made up.

use std::{
    fs,
    ops::Range,
    path::Path,
    time::{Duration, SystemTime},
};

use partner_gateway::clock::{Clock as _, SystemClock};
use sandbox::Activity;
use serde_json::Value;

use super::reconcile;
use crate::{
    harness::CUSTOMER,
    process::site::Site,
    verifying::made::{JOURNAL, Made, sha256},
};

#[tokio::test]
async fn tells_people_every_class() {
    let site = of_all_classes().await;

    let people = reconcile(&site, &["--since", "7d"]).await;

    assert_eq!(people.code, Some(1), "{people:?}");
    let table: Vec<_> = people.stdout.lines().collect();
    let dir = site.path("audit");
    assert_eq!(
        table[0],
        format!("journal {JOURNAL} in {}: 14 records read", dir.display())
    );
    let tenant = sandbox::Settings::default().tenant;
    let account = format!(
        "account contoso, tenant {tenant}: 7 records of Partner Center read, 2 of them of something else"
    );
    assert_eq!(table[1], account);
    assert!(
        table[3].starts_with("the journal tells of nothing before "),
        "{people:?}"
    );
    assert_eq!(
        table[4],
        "in both: 2; only ours: 2; only theirs: 2; not covered: 1"
    );
    assert!(table[5].starts_with("class        time "), "{people:?}");
    let rows: Vec<_> = table[6..].iter().map(|row| words(row)).collect();
    let by = "by adele.vance@contoso.example through Partner Center Web UI";
    assert_eq!(
        rows,
        [
            (
                "only ours",
                3,
                "call 3 for billing, by the journal unknown".to_owned()
            ),
            (
                "only ours",
                4,
                "call 4 for billing, by the journal done; Partner Center says that it failed"
                    .to_owned()
            ),
            (
                "only theirs",
                5,
                format!("update_transfer succeeded {by}; by the journal not done by call 5")
            ),
            (
                "only theirs",
                8,
                "update_transfer succeeded by eve\\u{1b}[2J through Partner Center Web UI"
                    .to_owned()
            ),
            ("not covered", 10, format!("update_transfer succeeded {by}")),
        ]
    );
}

#[tokio::test]
async fn tells_programs_every_class() {
    let site = of_all_classes().await;
    let tenant = sandbox::Settings::default().tenant;

    let program = reconcile(&site, &["--since", "7d", "--json"]).await;

    assert_eq!(program.code, Some(1), "{program:?}");
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    let of = |class: &str| told[class].as_array().unwrap().clone();
    assert_eq!(
        (
            of("only_ours").len(),
            of("only_theirs").len(),
            of("not_covered").len()
        ),
        (2, 2, 1)
    );
    let [unknown, failed] = &of("only_ours")[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (&unknown["call"], &unknown["said"], &unknown["failed"]),
        (&"3".into(), &"unknown".into(), &Value::Null)
    );
    assert_eq!(
        (&failed["call"], &failed["failed"]["status"]),
        (&"4".into(), &"failed".into())
    );
    assert_eq!(failed["recent"], false);
    let [denied, unnamed] = &of("only_theirs")[..] else {
        panic!("{told}")
    };
    assert_eq!(
        (&denied["denied_by"], &unnamed["denied_by"]),
        (&"5".into(), &Value::Null)
    );
    assert_eq!(
        (&unnamed["correlation_id"], &unnamed["user"]),
        (&Value::Null, &"eve\u{1b}[2J".into())
    );
    assert_eq!(of("not_covered")[0]["transfer"], guid(10));
    assert_eq!(
        (&told["account"], &told["partner_tenant"]),
        (&"contoso".into(), &tenant.into())
    );
    assert!(told["covered_from"].is_string(), "{told}");
}

#[tokio::test]
async fn takes_the_journals_of_other_replicas_together() {
    let site = Site::new().await;
    let now = SystemClock.now();
    let done_at = [now - Duration::from_hours(2), now - Duration::from_hours(1)];
    let yes = r#""status":200,"outcome":"forwarded","forwarded":"yes","#;
    let other = site.path("other");
    write(&site.path("audit"), &[(1, done_at[0], yes)], done_at[0]);
    write_as(
        "3d813cbb-47fb-42ba-91df-831e1593ac29",
        &other,
        &[(2, done_at[1], yes)],
        done_at[1] - Duration::from_mins(1),
    );
    site.sandbox.add_activity(done(1, done_at[0]));
    site.sandbox.add_activity(done(2, done_at[1]));
    let other = other.display().to_string();
    let own = site.path("audit").display().to_string();

    let alone = reconcile(&site, &["--since", "1d", "--json"]).await;
    let question = ["--since", "1d", "--json", "--replica", &other];
    let together = reconcile(&site, &question).await;
    let again = [&question[..], &["--replica", &own, "--replica", &other]].concat();
    let again = reconcile(&site, &again).await;

    let told: Value = serde_json::from_str(&alone.stdout).unwrap();
    assert_eq!(
        (alone.code, &told["only_theirs"][0]["transfer"]),
        (Some(1), &guid(2).into())
    );
    let told: Value = serde_json::from_str(&together.stdout).unwrap();
    assert_eq!(
        (together.code, &told["in_both"]),
        (Some(0), &2.into()),
        "{told}"
    );
    assert_eq!(told["journals"][1]["dir"], other);
    assert_eq!(again.code, Some(0), "{again:?}");
    let told: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(told["in_both"], 2);
    assert_eq!(told["journals"].as_array().unwrap().len(), 2);
    let line =
        format!("partner-gateway: {own} has the journal of {own} again, which is counted once\n");
    assert!(again.stderr.contains(&line), "{again:?}");
}

/// A journal and records of Partner Center with some of each class, none of them recent.
async fn of_all_classes() -> Site {
    let site = Site::new().await;
    let now = SystemClock.now();
    let ago = |hours: u64| now - Duration::from_hours(hours);
    let calls = [
        (
            1,
            ago(5),
            r#""status":200,"outcome":"forwarded","forwarded":"yes","#,
        ),
        (2, ago(4), r#""outcome":"reconciled","forwarded":"yes","#),
        (
            3,
            ago(3),
            r#""status":504,"outcome":"failed","forwarded":"unknown","#,
        ),
        (
            4,
            ago(3),
            r#""status":200,"outcome":"forwarded","forwarded":"yes","#,
        ),
        (
            5,
            ago(2),
            r#""status":400,"outcome":"forwarded","forwarded":"yes","#,
        ),
        (
            6,
            ago(2),
            r#""status":400,"outcome":"forwarded","forwarded":"yes","#,
        ),
    ];
    write(&site.path("audit"), &calls, ago(48));
    for activity in [
        done(1, ago(5)),
        done(2, ago(4)),
        Activity {
            outcome: "failed".to_owned(),
            ..done(4, ago(3))
        },
        done(5, ago(2)),
        Activity {
            correlation: None,
            user: "eve\u{1b}[2J".to_owned(),
            ..done(8, ago(1))
        },
        Activity {
            status: "Active".to_owned(),
            operation: "create_transfer".to_owned(),
            ..done(9, ago(1))
        },
        done(10, ago(49)),
        done(11, ago(24 * 9)),
    ] {
        site.sandbox.add_activity(activity);
    }
    site
}

/// Writes a journal that began at some time: for each call an intent and an outcome.
fn write(dir: &Path, calls: &[(u64, SystemTime, &str)], began: SystemTime) {
    write_as(JOURNAL, dir, calls, began);
}

fn write_as(journal: &str, dir: &Path, calls: &[(u64, SystemTime, &str)], began: SystemTime) {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    let started = (0, began, "");
    for (number, time, ending) in [started].into_iter().chain(calls.iter().copied()) {
        let tenant = sandbox::Settings::default().tenant;
        let id = guid(number);
        let call = format!(
            r#""call":"{number}","operation":"transfers.reject","customer":"{CUSTOMER}","transfer":"{id}","principal":"billing","account":"contoso","partner_tenant":"{tenant}","correlation_id":"{id}","#
        );
        let records = match number {
            0 => vec![("started", String::new()), ("stopped", String::new())],
            _ => vec![
                ("intent", call.clone()),
                ("outcome", format!("{call}{ending}")),
            ],
        };
        for (kind, members) in records {
            let seq = lines.len() + 1;
            let prev = lines
                .last()
                .map_or_else(|| "0".repeat(64), |line| sha256(line));
            let time = humantime::format_rfc3339_micros(time);
            let line = format!(
                r#"{{"v":1,"journal":"{journal}","seq":{seq},"id":"id-{seq}","time":"{time}","kind":"{kind}",{members}"prev":"{prev}"}}"#
            );
            lines.push(line.into_bytes());
        }
    }
    let made = Made {
        files: vec![(1, lines)],
    };
    fs::create_dir(dir).unwrap();
    let from = made.written();
    for entry in fs::read_dir(from.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.join(entry.file_name())).unwrap();
    }
    fs::write(dir.join("journal.id"), format!("{journal}\n")).unwrap();
}

/// A rejection that Partner Center has, of the call with this number where there is one.
fn done(number: u64, time: SystemTime) -> Activity {
    Activity {
        correlation: Some(guid(number)),
        ..Activity::rejection(CUSTOMER, &guid(number), time)
    }
}

fn guid(number: u64) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// A row's class, the number in its transfer's ID, and what is known.
fn words(row: &str) -> (&str, u64, String) {
    let part = |at: Range<usize>| row.get(at).expect("a column");
    let number = part(97..109).parse().expect("the end of a transfer's ID");
    (part(0..11).trim(), number, part(149..row.len()).to_owned())
}
