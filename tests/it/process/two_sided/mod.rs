//! What `audit reconcile --since` tells: rejections that the journal has, held against those that Partner Center
//! has.

mod classes;

use std::{fs, io, process::Command};

use futures_util::future::join_all;
use sandbox::{Fault, Rotation, Target, Turn};
use serde_json::{Value, json};

use super::{
    patches,
    site::{Answer, PROGRAM, Running, Site},
    transfer, transfers,
};
use crate::harness::{
    BILLING, CUSTOMER, TRANSFER, for_a_user,
    journal::segments,
    process::{Ended, Process},
    served::until,
};

#[tokio::test]
async fn finds_three_past_the_gateway_and_two_that_never_arrived_among_a_thousand() {
    let site = Site::new().await;
    let gateway = site.start().await;
    for group in transfers(&site, "1000", 1000).chunks(50) {
        let answers = join_all(group.iter().map(|id| gateway.reject(id))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
    }
    let before = fs::read(&segments(&site.path("audit"))[0]).unwrap();

    let even = reconcile(&site, &["--since", "1h"]).await;
    let unchanged = fs::read(&segments(&site.path("audit"))[0]).unwrap() == before;
    let past: Vec<_> = transfers(&site, "2000", 3);
    for id in &past {
        assert!(site.sandbox.reject_in_portal(CUSTOMER, id));
    }
    let lost = transfers(&site, "3000", 2);
    let answers = lose(&site, gateway, &lost).await;
    let people = reconcile(&site, &["--since", "1h"]).await;
    let program = reconcile(&site, &["--since", "1h", "--json"]).await;

    assert_eq!((even.code, &*even.stderr), (Some(0), ""), "{even:?}");
    let counts = "\nin both: 1000; only ours: 0; only theirs: 0; not covered: 0\n";
    assert!(even.stdout.ends_with(counts), "{even:?}");
    assert!(unchanged, "the journal of a gateway that runs");
    assert!(answers.iter().all(Result::is_err));
    assert_eq!([people.code, program.code], [Some(1); 2], "{people:?}");
    let counts = "\nin both: 1000; only ours: 2; only theirs: 3; not covered: 0\n";
    assert!(people.stdout.contains(counts), "{people:?}");
    let told: Value = serde_json::from_str(&program.stdout).unwrap();
    assert_eq!(
        (&told["in_both"], &told["even"]),
        (&1000.into(), &false.into())
    );
    assert_eq!(
        told["partner_center"],
        json!({"records": 1003, "pages": 3, "passed_over": 0})
    );
    for (class, ids) in [("only_ours", &lost), ("only_theirs", &past)] {
        let found = told[class].as_array().unwrap();
        let mut found: Vec<_> = found
            .iter()
            .map(|it| it["transfer"].as_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(&found, ids, "{class}");
        let rows = people
            .stdout
            .lines()
            .filter(|line| ids.iter().any(|id| line.contains(id)));
        assert_eq!(rows.count(), ids.len());
    }
    for only in told["only_ours"].as_array().unwrap() {
        assert_eq!(
            (&only["said"], &only["recent"]),
            (&"open".into(), &true.into())
        );
    }
}

#[tokio::test]
async fn shares_a_refresh_token_with_a_gateway_that_runs() {
    let site = Site::new().await;
    let (held, _) = for_a_user(&site.sandbox);
    let path = held.path().join("refresh-token");
    let settings = format!(
        "flow: app_user\n    refresh_token: {{file: {}}}\n    endpoints:",
        path.display()
    );
    site.edit("endpoints:", &settings);
    site.sandbox.set_rotation(Rotation::Strict);
    let gateway = site.start().await;
    gateway.reject(TRANSFER).await;
    let first = fs::read_to_string(&path).unwrap();

    let ended = reconcile(&site, &["--since", "1d"]).await;
    let second = fs::read_to_string(&path).unwrap();
    site.sandbox.revoke_tokens();
    let more = gateway.reject(&transfer(&site, "4000", 1)).await;
    let third = fs::read_to_string(&path).unwrap();

    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(first != second && second != third, "each is used once");
    assert_eq!(more.status, 200, "{more:?}");
}

#[tokio::test]
async fn ends_with_2_where_the_question_cannot_be_answered() {
    let site = Site::new().await;
    drop(site.start().await);
    let asked = site.sandbox.seen().len();
    for (arguments, told) in [
        (
            &["--since", "91d"][..],
            "--since: found \"91d\"; accepted: a duration of at most 90 days",
        ),
        (
            &["--since", "2020-01-01T00:00:00Z"],
            "--since: found \"2020-01-01T00:00:00Z\"; accepted: ",
        ),
        (&["--since", "soon"], "a duration of at most 90 days"),
        (&["--account", "contoso"], "--since"),
        (
            &["--since", "1d", "--account", "contos"],
            "--account: found \"contos\"; accepted: the name of an account, the nearest of which is contoso",
        ),
        (
            &["--since", "1d", "--replica", "/nonexistent"],
            "reading \"/nonexistent\"",
        ),
    ] {
        let ended = reconcile(&site, arguments).await;

        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(told), "{arguments:?}: {ended:?}");
    }
    assert_eq!(site.sandbox.seen().len(), asked, "nobody is asked");
}

#[tokio::test]
async fn ends_with_2_where_a_side_cannot_be_read() {
    let site = Site::new().await;
    drop(site.start().await);
    let refusal = |status: u16| -> Fault {
        serde_json::from_value(json!({"fault": "status", "status": status})).unwrap()
    };
    for (target, fault, told) in [
        (
            Target::PartnerCenter,
            refusal(403),
            "account contoso: Partner Center refused to list activity: 403",
        ),
        (
            Target::PartnerCenter,
            Fault::Html,
            "list of activity cannot be read: the page is not a JSON object",
        ),
        (
            Target::Token,
            refusal(400),
            "account contoso: no token can be had now",
        ),
    ] {
        site.sandbox.push_fault(target, fault);

        let ended = reconcile(&site, &["--since", "1d"]).await;

        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
    let segment = segments(&site.path("audit")).remove(0);
    let mut damaged = fs::read(&segment).unwrap();
    damaged[30] ^= 1;
    fs::write(&segment, damaged).unwrap();
    let ended = reconcile(&site, &["--since", "1d"]).await;
    assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{ended:?}");
    assert!(
        ended.stderr.contains("the journal is not intact"),
        "{ended:?}"
    );
}

/// Has calls reach the network and not Partner Center, and kills the gateway in their middle.
async fn lose(site: &Site, gateway: Running, lost: &[String]) -> Vec<io::Result<Answer>> {
    for id in lost {
        let turn = Turn::of(Fault::Hang).of_transfer(id);
        site.sandbox.push_turn(Target::PartnerCenter, turn);
    }
    let calling = join_all(lost.iter().map(|id| gateway.call(id, BILLING)));
    let killing = async {
        until(|| patches(site).len() == 1002).await;
        gateway.process.signal("KILL");
    };
    let (answers, ()) = tokio::join!(calling, killing);
    gateway.process.ended().await;
    answers
}

async fn reconcile(site: &Site, arguments: &[&str]) -> Ended {
    let config = site.config().display().to_string();
    let mut program = Command::new(PROGRAM);
    program
        .env_clear()
        .args(["audit", "reconcile", "--config", &config])
        .args(arguments);
    Process::spawn(&mut program).ended().await
}
